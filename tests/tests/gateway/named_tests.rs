//! What documents name as proof exists.

use std::path::{Path, PathBuf};

use regex::Regex;

const DOCUMENTS: [&str; 2] = ["docs/security.md", "docs/reliability.md"];
const FOLDERS: [&str; 3] = ["gateway", "plugins", "tests"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "node_modules" && name != "target" {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// `file::function`, in a file of that name or in a folder of that name.
#[test]
fn every_test_that_a_document_names_exists() {
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root().join(folder), &mut files);
    }
    let named = Regex::new("`([a-z0-9_]+)::([a-z0-9_]+)`").unwrap();
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        let mut count = 0;
        for name in named.captures_iter(&text) {
            let (file, function) = (&name[1], format!("fn {}(", &name[2]));
            let in_place = |path: &&PathBuf| {
                path.iter()
                    .any(|part| part == file || part == format!("{file}.rs").as_str())
            };
            let mut candidates = files.iter().filter(in_place);
            let found = candidates.any(|path| std::fs::read_to_string(path).unwrap().contains(&function));
            assert!(found, "{document} names {}", &name[0]);
            count += 1;
        }
        assert!(count > 0, "{document} names no test");
    }
}
