//! Programs that tests need and a machine may lack: found, or installed from Debian's packages, from PyPI or from npm; or the
//! test is skipped, loudly, where it may be.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long another program may keep apt to itself.
const PATIENCE: Duration = Duration::from_secs(300);

/// Whether `programs` (names with a space between) are there, of Debian's `package`; installs it if it may. See [`missing`]
/// for where it may not.
pub fn is_here(programs: &str, package: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program| std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    let found = || programs.split(' ').all(is_there);
    let installed = if found() { Ok(()) } else { install(package, found) };
    installed.map_err(|why| missing(programs, &why)).is_ok()
}

/// Says on the error output that a test does without `what`, or fails if the environment has `CI` or `TACHOMETER_NO_SKIP`: a
/// test that must run does not pass by not running.
pub fn missing(what: &str, why: &str) {
    let must = ["CI", "TACHOMETER_NO_SKIP"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(!must, "this test needs {what}: {why}");
    // Not `eprintln!`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: no {what} to test with: {why}");
}

/// What `look` finds in a virtual environment of Python of the tests' own, which has `requirement` from PyPI; made if need be.
pub fn virtual_environment<T>(
    name: &str,
    requirement: &str,
    look: impl Fn(&Path) -> Option<T>,
) -> Result<T, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Nobody shall look into a folder that is half made.
    let _alone = lock(&folder.with_extension("lock"))?;
    if let Some(found) = look(&folder) {
        return Ok(found);
    }
    let place = folder.display().to_string();
    let make = || run("python3", &["-m", "venv", "--clear", &place]);
    if make().is_err() {
        // Debian keeps it in a package of its own.
        install("python3 python3-venv", || make().is_ok())?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement];
    run(&format!("{place}/bin/python"), &pip)?;
    look(&folder).ok_or_else(|| format!("{requirement} is installed, but does not run"))
}

/// A folder of the tests' own that has `packages` from npm, each with its version, under `node_modules`; made if need be.
pub fn node_packages(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let _alone = lock(&folder.with_extension("lock"))?;
    // Written last: nobody shall look into a folder that is half made.
    let mark = folder.join("installed");
    let wanted = packages.join(" ");
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    if run("npm", &["--version"]).is_err() {
        install("npm", || run("npm", &["--version"]).is_ok())?;
    }
    let place = folder.display().to_string();
    let options = [
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--no-save",
        "--prefix",
        &place,
    ];
    run("npm", &[&options[..], packages].concat())?;
    std::fs::write(&mark, wanted).map_err(|error| error.to_string())?;
    Ok(folder)
}

/// Installs Debian's `packages`, unless `found` says that somebody has meanwhile.
fn install(packages: &str, found: impl Fn() -> bool) -> Result<(), String> {
    let user = Command::new("id").arg("-u").output().map_err(|error| format!("id: {error}"))?;
    if user.stdout.trim_ascii() != b"0" {
        return Err(format!("install Debian's package `{packages}`, or run as root"));
    }
    // One at a time, among the threads and processes of all tests.
    let _alone = lock(&std::env::temp_dir().join("tachometer-tests-install.lock"))?;
    if found() {
        return Ok(());
    }
    let deadline = Instant::now() + PATIENCE;
    for step in ["update", &format!("install -y --no-install-recommends {packages}")] {
        let options = ["-q", "-o", "DPkg::Lock::Timeout=120"];
        let arguments: Vec<_> = options.into_iter().chain(step.split(' ')).collect();
        while let Err(why) = run("apt-get", &arguments) {
            // The option is for dpkg's lock alone; where somebody else has one of apt's own, it gives up at once.
            if !why.contains("Could not get lock") || Instant::now() > deadline {
                return Err(why);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    found().then_some(()).ok_or_else(|| format!("{packages} is installed, but does not run"))
}

/// Keeps all others who lock this file out until the value is dropped.
fn lock(path: &Path) -> Result<File, String> {
    let file = File::options().create(true).append(true).open(path);
    let file = file.and_then(|file| file.lock().map(|()| file));
    file.map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs a command to its end; an error has what it said.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let done = Command::new(program)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("{program} {}: {said}", arguments.join(" "))),
    }
}
