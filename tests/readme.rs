//! What the README shows of ways in and out is in examples, which are compiled and run.

use std::collections::HashSet;
use std::path::Path;

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_lines_that_are_not_compiled_are_those_of_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples: Vec<String> = ["ways_in.rs", "openraft/main.rs", "ways_out.rs"]
        .map(|name| read(root.join("examples").join(name)))
        .into();
    let known: HashSet<&str> =
        examples.iter().flat_map(|text| text.lines()).map(str::trim).collect();
    let readme = read(root.join("README.md"));
    let (mut shown, mut ignored) = (0, false);
    for line in readme.lines() {
        if let Some(language) = line.strip_prefix("```") {
            ignored = language == "rust,ignore";
        } else if ignored && !line.trim().is_empty() {
            assert!(known.contains(line.trim()), "no example has this line of the README: {line}");
            shown += 1;
        }
    }
    assert!(shown > 40, "the README shows {shown} lines");
}
