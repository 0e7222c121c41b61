//! The admin UI is built by npm, beside cargo: `make run` and `make test` do both. Without it the gateway is built all
//! the same, and says on its pages how to build them.

const BUILT_PAGES: &str = "../../admin-ui/dist";

fn main() -> std::io::Result<()> {
    // rust-embed wants the folder to be there.
    std::fs::create_dir_all(BUILT_PAGES)?;
    println!("cargo:rerun-if-changed={BUILT_PAGES}");
    Ok(())
}
