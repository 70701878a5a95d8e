//! What files of procfs have in common: [`crate::facade::process`] reads a process's, [`crate::source`] the machine's.

/// The first number behind `name` at the beginning of a line.
pub(crate) fn after(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(f64::INFINITY),
        number => number.parse().ok(),
    }
}
