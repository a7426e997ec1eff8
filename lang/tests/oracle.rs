//! Asks Guile, which shares nothing with this implementation, whether it agrees with the expectations of the portable programs
//! under `okay/`: `oracle.scm` does the work, `./oracle` runs it by hand. Without Guile the test says so loudly and passes.

use std::{path::Path, process::Command};

#[test]
fn guile_agrees_with_the_portable_programs() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    if Command::new("guile").arg("--version").output().is_err() {
        eprintln!(
            "SKIPPED guile_agrees_with_the_portable_programs: there is no `guile` here; \
             `apt-get install guile-3.0` and run lang/tests/oracle"
        );
        return;
    }
    let output = Command::new(&script).output().expect("the script starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let agree = text.lines().last().and_then(|line| line.split(' ').next()?.parse::<usize>().ok());
    assert!(agree.is_some_and(|agree| agree >= 200), "too few programs were compared: {text}");
}
