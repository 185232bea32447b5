//! Reads the dependency names out of a `Cargo.toml`, as far as our own manifests go.

/// The dependencies of one crate.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// What the library or program itself uses.
    pub(crate) uses: Vec<String>,
    /// What only its tests use.
    pub(crate) tests_use: Vec<String>,
}

/// Reads `[dependencies]` and `[dev-dependencies]`: one name a line, as we write them.
pub(crate) fn parse(text: &str) -> Manifest {
    let mut manifest = Manifest::default();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            // `[dependencies.name]` names a dependency in its header.
            if let Some(name) = section.strip_prefix("dependencies.") {
                manifest.uses.push(name.to_owned());
            }
            continue;
        }
        let end = line.find(['.', '=', ' ']).unwrap_or(0);
        let name = line[..end].to_owned();
        if name.is_empty() || name.starts_with('#') {
            continue;
        }
        match section {
            "dependencies" | "build-dependencies" => manifest.uses.push(name),
            "dev-dependencies" => manifest.tests_use.push(name),
            _ => {}
        }
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names_are_read_from_each_form() {
        let text = "[package]\nname = \"x\"\n\n[dependencies]\n# why\na.workspace = true\n\
                    b = \"1\"\n[dependencies.c]\nversion = \"1\"\n[dev-dependencies]\nd = \"1\"\n";
        let manifest = parse(text);
        assert_eq!(manifest.uses, ["a", "b", "c"]);
        assert_eq!(manifest.tests_use, ["d"]);
    }
}
