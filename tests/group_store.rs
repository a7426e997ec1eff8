//! A store that a group keeps: its members build and collect in it side by side, and what would lock a peer out is refused.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::PathBuf,
    process::Command,
};

use common::{Run, TestEnvironment, sandbox_or_skip, trivial_package};

const GROUP: u32 = 31000;
const USERS: [u32; 2] = [31001, 31002];
const STRANGER: u32 = 31003;

struct Group {
    environment: TestEnvironment,
}

impl Group {
    /// A directory that a group keeps, and two members with homes of their own. None, loudly, without root, who alone can become others.
    fn new(test: &str) -> Option<Group> {
        if !sandbox_or_skip(test) {
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED {test}: only root can become two users");
            return None;
        }
        if Command::new("setpriv").arg("--version").output().is_err() {
            eprintln!("SKIPPED {test}: there is no `setpriv` on this machine");
            return None;
        }
        let environment = TestEnvironment::new();
        let home = environment.home().to_owned();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_hpcl"), home.join("hpcl")).unwrap();
        for user in USERS.into_iter().chain([STRANGER]) {
            fs::create_dir(home.join(user.to_string())).unwrap();
            chown(home.join(user.to_string()), Some(user), Some(user)).unwrap();
        }
        fs::create_dir(home.join("g")).unwrap();
        fs::set_permissions(home.join("g"), fs::Permissions::from_mode(0o2775)).unwrap();
        chown(home.join("g"), Some(USERS[0]), Some(GROUP)).unwrap();
        let packages: String = (0..12)
            .map(|number| {
                let package = trivial_package(
                    &format!("\"p{number}\""),
                    "#~(begin (mkdir #$output) (mkdir (string-append #$output \"/inside\"))
                              (call-with-output-file (string-append #$output \"/inside/file\")
                                (lambda (port) (display #$output port))))",
                );
                format!("(define-public p{number} {package})\n")
            })
            .collect();
        let modules =
            "#:use-module (guix packages) #:use-module (guix gexp) #:use-module (guix build-system trivial)";
        environment.write("recipes/many.hpcl", &format!("(define-module (many) {modules})\n{packages}"));
        Some(Group { environment })
    }

    fn command(&self, user: u32, umask: &str, arguments: &[&str]) -> Command {
        let home = self.environment.home();
        let mut command = Command::new("setpriv");
        command
            .args([format!("--reuid={user}"), format!("--regid={user}")])
            .arg(if user == STRANGER { "--clear-groups".to_owned() } else { format!("--groups={GROUP}") })
            .args(["sh", "-c", &format!("umask {umask}; exec \"$@\""), "sh"])
            .arg(home.join("hpcl"))
            .args(arguments)
            .current_dir(home)
            .env_clear()
            .env("HOME", home.join(user.to_string()))
            .env("HPCL_STORE", home.join("g"))
            .env("NO_COLOR", "1")
            .env("PATH", "/usr/bin:/bin");
        command
    }

    fn hpcl(&self, user: u32, arguments: &[&str]) -> Run {
        self.environment.finish(self.command(user, "002", arguments))
    }

    fn init(&self) -> PathBuf {
        let printed = self.hpcl(USERS[0], &["store", "init", "--group", &GROUP.to_string()]).success();
        PathBuf::from(printed.trim().replace("HOME", &self.environment.home().display().to_string()))
    }
}

#[test]
fn members_build_side_by_side() {
    let Some(group) = Group::new("members_build_side_by_side") else { return };
    let store = group.init();
    let names: Vec<String> = (0..12).map(|number| format!("p{number}")).collect();
    let mut arguments = vec!["build", "-j2", "-L", "recipes"];
    arguments.extend(names.iter().map(String::as_str));
    let running = USERS.map(|user| group.command(user, "002", &arguments).spawn().unwrap());
    for mut process in running {
        assert!(process.wait().unwrap().success());
    }
    for user in USERS {
        let verified = group.hpcl(user, &["verify"]);
        assert!(verified.stderr.contains("nothing is wrong"), "{verified:?}");
    }
    // Items are read-only and the group's; what surrounds them the group can write.
    for entry in walkdir::WalkDir::new(&store).min_depth(1) {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        let mode = if metadata.is_dir() { 0o555 } else { 0o444 };
        assert_eq!((metadata.mode() & 0o7777, metadata.gid()), (mode, GROUP), "{}", entry.path().display());
    }
    for directory in ["store", "var/items", "var/locks", "var/sessions", "var/roots/links", "var/profiles"] {
        let metadata = store.parent().unwrap().join(directory).metadata().unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.gid()), (0o2775, GROUP), "{directory}");
    }
    // A stranger cannot build in it, and can use it as a layer.
    let error = group.hpcl(STRANGER, &["gc"]).failure(1);
    assert!(
        error.contains("is kept by group 31000, which you are not in\nhint: whoever can read it"),
        "{error}"
    );
    let mut layered = group.command(STRANGER, "022", &["build", "-L", "recipes", "p1"]);
    layered.env("HPCL_STORE_LAYERS", group.environment.home().join("g"));
    layered.env("HPCL_STORE", group.environment.home().join(STRANGER.to_string()));
    assert!(group.environment.finish(layered).success().contains("HOME/g/"));
}

#[test]
fn a_member_collects_and_owners_free_the_room() {
    let Some(group) = Group::new("a_member_collects_and_owners_free_the_room") else { return };
    let store = group.init();
    group.hpcl(USERS[0], &["build", "-L", "recipes", "p1", "p2"]).success();
    group.hpcl(USERS[1], &["build", "-L", "recipes", "p3"]).success();
    let trees = || store.read_dir().unwrap().count();
    let before = trees();
    let collected = group.hpcl(USERS[1], &["gc"]);
    assert_eq!(collected.code, 0, "{collected:?}");
    assert!(collected.stderr.contains("of them belong to others of your group"), "{}", collected.stderr);
    assert!(trees() > 0 && trees() < before, "own content is gone, the peer's waits");
    // Nobody sees what waits: it is no item, and can be built anew beside it.
    group.hpcl(USERS[1], &["verify"]).success();
    group.hpcl(USERS[1], &["build", "-L", "recipes", "p1"]).success();
    group.hpcl(USERS[0], &["gc"]).success();
    group.hpcl(USERS[1], &["gc"]).success();
    assert_eq!(trees(), 0);
}

#[test]
fn what_would_lock_a_peer_out_is_refused_with_the_remedy() {
    let Some(group) = Group::new("what_would_lock_a_peer_out_is_refused_with_the_remedy") else { return };
    let refused = |umask: &str| group.environment.finish(group.command(USERS[0], umask, &["gc"])).failure(1);
    let mut early = group.command(USERS[0], "022", &["store", "init", "--group", &GROUP.to_string()]);
    early.env("NO_COLOR", "1");
    let error = group.environment.finish(early).failure(1);
    assert!(error.contains("the umask is 0022") && error.contains("hint: run `umask 002` first"), "{error}");
    let store = group.init();
    assert!(refused("077").contains("the umask is 0077"));
    let items = store.with_file_name("var").join("items");
    fs::set_permissions(&items, fs::Permissions::from_mode(0o775)).unwrap();
    let error = refused("002");
    assert!(
        error.contains("has mode 0775 and not 2775") && error.contains("hpcl store init --group"),
        "{error}"
    );
    fs::set_permissions(&items, fs::Permissions::from_mode(0o2775)).unwrap();
    chown(&items, None, Some(USERS[0])).unwrap();
    assert!(refused("002").contains("belongs to group 31001 and not to 31000"));
    group.init();
    group.hpcl(USERS[1], &["gc"]).success();
    let error = group.hpcl(USERS[0], &["store", "init", "--group", "no-such-group"]).failure(2);
    assert!(error.contains("there is no group `no-such-group`"), "{error}");
}
