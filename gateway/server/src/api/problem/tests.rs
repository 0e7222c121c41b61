/// Codes are read off the source, so that none is forgotten.
fn codes() -> Vec<String> {
    let mut codes = Vec::new();
    for source in [include_str!("../problem.rs"), include_str!("causes.rs")] {
        for part in source.split("StatusCode::").skip(1) {
            let (before, rest) = part.split_once('"').unwrap_or_default();
            let is_status =
                |char: char| char.is_ascii_uppercase() || char == '_' || char == ',' || char.is_whitespace();
            if !before.is_empty() && before.chars().all(is_status) {
                codes.push(rest.split('"').next().unwrap_or_default().to_owned());
            }
        }
        let conflicts = source.split("conflict(\"").skip(1);
        codes.extend(conflicts.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()));
    }
    codes
}

#[test]
fn every_code_is_explained() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
    let explained = std::fs::read_to_string(path).unwrap();
    let codes = codes();
    assert!(codes.len() > 30, "{codes:?}");
    for code in codes {
        assert!(
            explained.contains(&format!("<a id=\"{code}\"></a>`{code}`")),
            "docs/errors.md says nothing of {code}"
        );
    }
}
