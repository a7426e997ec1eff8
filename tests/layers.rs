//! A read-only site store below a user's own: its items are used where they lie, and nothing is ever written there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test")]

mod common;

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use common::{Run, TestEnvironment, chain, sandbox_or_skip};

/// Three packages, each of which needs the one before, names it in a file and a link, and names some of it no more.
fn recipes() -> String {
    chain(
        "(with-imported-modules '((hpcl build utils))
           #~(begin
               (use-modules (hpcl build utils))
               (mkdir #$output)
               (symlink (string-append #$input \"/user\") (string-append #$output \"/link\"))
               (call-with-output-file (string-append #$output \"/user\")
                 (lambda (port) (display (list #$input #$output) port)))
               (call-with-output-file (string-append #$output \"/forgotten\")
                 (lambda (port) (display (list #$input #$output) port)))
               (remove-store-references (string-append #$output \"/forgotten\"))))",
    )
}

struct Site {
    environment: TestEnvironment,
}

impl Site {
    /// A site whose store has `middle` and what it needs.
    fn new() -> Site {
        let environment = TestEnvironment::new();
        environment.write("recipes/chain.hpcl", &recipes());
        let site = Site { environment };
        site.hpcl("site", &[], &["build", "-L", "recipes", "middle"]).success();
        site
    }

    fn base(&self, name: &str) -> PathBuf {
        self.environment.home().join(name)
    }

    /// Runs hpcl with a store and layers below it.
    fn hpcl(&self, store: &str, layers: &[&str], arguments: &[&str]) -> Run {
        self.environment.finish(self.command(store, layers, arguments))
    }

    fn command(&self, store: &str, layers: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.environment.command(arguments);
        command.env("HPCL_STORE", self.base(store));
        if !layers.is_empty() {
            let bases = layers.iter().map(|layer| self.base(layer));
            command.env("HPCL_STORE_LAYERS", std::env::join_paths(bases).unwrap());
        }
        command
    }

    fn store_of(&self, name: &str) -> PathBuf {
        let text = self.hpcl(name, &[], &["store", "path"]).success();
        PathBuf::from(text.trim().replace("HOME", &self.environment.home().display().to_string()))
    }

    /// Returns the path of a package's only item in a store.
    fn item(&self, store: &str, package: &str) -> PathBuf {
        self.maybe_item(store, package).unwrap_or_else(|| panic!("no {package} in {store}"))
    }

    fn maybe_item(&self, store: &str, package: &str) -> Option<PathBuf> {
        let entries = self.store_of(store).read_dir().unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.display().to_string().ends_with(&format!("-{package}-1")))
    }

    /// Returns what a store knows of a package's item.
    fn info(&self, store: &str, package: &str) -> serde_json::Value {
        let item = self.item(store, package);
        let name = item.file_name().unwrap().to_str().unwrap();
        let file = item.parent().unwrap().with_file_name("var").join("items").join(format!("{name}.json"));
        serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
    }

    /// Every file of the site's store with its times, to see that none is touched.
    fn snapshot(&self) -> Vec<(PathBuf, std::time::SystemTime)> {
        let mut files: Vec<_> = walkdir::WalkDir::new(self.base("site"))
            .into_iter()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (entry.path().to_owned(), entry.path().symlink_metadata().unwrap().modified().unwrap())
            })
            .collect();
        files.sort();
        files
    }
}

#[test]
fn what_a_layer_has_is_used_where_it_lies() {
    if !sandbox_or_skip("what_a_layer_has_is_used_where_it_lies") {
        return;
    }
    let site = Site::new();
    let before = site.snapshot();
    site.hpcl("plain", &[], &["build", "-L", "recipes", "top"]).success();
    let printed = site.hpcl("own", &["site"], &["build", "-L", "recipes", "top"]).success();
    assert!(printed.contains("HOME/own/") && printed.trim().ends_with("-top-1"), "{printed}");
    // Only `top` is here; it names the layer's `middle` and itself.
    assert!(site.maybe_item("own", "low").is_none() && site.maybe_item("own", "middle").is_none());
    let (top, middle) = (site.item("own", "top"), site.item("site", "middle"));
    let named = fs::read_to_string(top.join("user")).unwrap();
    assert_eq!(named, format!("({} {})", middle.display(), top.display()));
    assert_eq!(top.join("link").read_link().unwrap(), middle.join("user"));
    assert!(top.join("link").read_link().unwrap().exists(), "it can be used as it stands");
    let forgotten = fs::read_to_string(top.join("forgotten")).unwrap();
    let layer = site.store_of("site").display().to_string();
    assert!(forgotten.starts_with(&format!("({layer}/eeeeeeee")), "{forgotten}");
    // To everybody else it is the same item.
    assert_eq!(site.info("own", "top")["narHash"], site.info("plain", "top")["narHash"]);
    assert_eq!(site.info("own", "top")["layers"][&layer].as_array().unwrap().len(), 1);
    site.hpcl("own", &["site"], &["verify"]).success();
    site.hpcl("own", &["site"], &["build", "--check", "-L", "recipes", "top"]).success();
    site.hpcl("own", &["site"], &["build", "--check", "-L", "recipes", "middle"]).success();
    assert!(site.maybe_item("own", "middle").is_none(), "a check leaves nothing behind");
    // From the first reference on the layer belongs to the store, named or not.
    assert_eq!(
        site.hpcl("own", &[], &["store", "layers"]).success().trim(),
        layer.replace(&site.environment.home().display().to_string(), "HOME")
    );
    site.hpcl("own", &[], &["verify"]).success();
    let size = site.hpcl("own", &[], &["size", "-L", "recipes", "top"]).success();
    assert!(size.ends_with("in 3 items\n"), "{size}");
    let why = site.hpcl("own", &[], &["why", "-L", "recipes", "top", "low"]).success();
    assert!(why.contains("HOME/site/"), "{why}");
    // Collecting takes what is here and nothing of the layer's.
    let collected = site.hpcl("own", &[], &["gc"]);
    assert!(collected.stderr.contains("0 items stay"), "{}", collected.stderr);
    assert!(site.maybe_item("own", "top").is_none());
    assert_eq!(site.snapshot(), before, "nothing below the layer was written");
}

#[test]
fn closures_over_layers_leave_and_come_whole() {
    if !sandbox_or_skip("closures_over_layers_leave_and_come_whole") {
        return;
    }
    let site = Site::new();
    site.hpcl("own", &["site"], &["build", "-L", "recipes", "top"]).success();
    let cache = site.base("cache").display().to_string();
    site.hpcl("own", &[], &["cache", "push", "--to", &cache, "-L", "recipes", "top"]).success();
    site.hpcl("plain", &[], &["build", "-L", "recipes", "top"]).success();
    let other = site.base("other-cache").display().to_string();
    site.hpcl("plain", &[], &["cache", "push", "--to", &other, "-L", "recipes", "top"]).success();
    let listed = |cache: &str| site.hpcl("own", &[], &["cache", "list", cache]).success();
    assert_eq!(listed(&cache), listed(&other), "a cache cannot tell where items lay");
    // Into a store with the layer comes only what that does not have, referring to what it has.
    let bundle = site.base("bundle").display().to_string();
    site.hpcl("plain", &[], &["bundle", "-o", &bundle, "-L", "recipes", "top"]).success();
    site.hpcl("new", &["site"], &["unbundle", "--unsigned", &bundle]).success();
    assert!(site.maybe_item("new", "middle").is_none());
    let named = fs::read_to_string(site.item("new", "top").join("user")).unwrap();
    assert!(named.contains(&site.item("site", "middle").display().to_string()), "{named}");
    site.hpcl("new", &[], &["verify"]).success();
    // Moved, a store keeps its layers.
    site.hpcl("new", &[], &["relocate", &site.base("moved").display().to_string()]).success();
    site.hpcl("moved", &[], &["verify"]).success();
    let named = fs::read_to_string(site.item("moved", "top").join("user")).unwrap();
    assert!(named.contains(&site.item("site", "middle").display().to_string()), "{named}");
}

#[test]
fn layers_lie_on_layers() {
    if !sandbox_or_skip("layers_lie_on_layers") {
        return;
    }
    let site = Site::new();
    site.hpcl("group", &["site"], &["build", "-L", "recipes", "top"]).success();
    // Who has the group's store has the site's too. The settings name it as well as the environment does.
    let layers = format!("[store]\nlayers = [\"{}\"]\n", site.base("group").display());
    site.environment.write(".config/hpcl/config.toml", &layers);
    let printed = site.hpcl("own", &[], &["build", "-L", "recipes", "top"]).success();
    assert!(printed.contains("HOME/group/"), "{printed}");
    assert_eq!(site.hpcl("own", &[], &["store", "layers"]).success().lines().count(), 2);
    let mut none = site.command("own", &[], &["store", "layers"]);
    none.env("HPCL_STORE_LAYERS", "");
    assert_eq!(site.environment.finish(none).success(), "", "the environment goes before the settings");
}

#[test]
fn a_layer_that_is_gone_is_named_and_can_be_done_without() {
    if !sandbox_or_skip("a_layer_that_is_gone_is_named_and_can_be_done_without") {
        return;
    }
    let site = Site::new();
    site.hpcl("own", &["site"], &["build", "-L", "recipes", "top"]).success();
    fs::rename(site.base("site"), site.base("away")).unwrap();
    for arguments in [["verify", "--quick"].as_slice(), &["gc"], &["build", "-L", "recipes", "top"]] {
        let error = site.hpcl("own", &[], arguments).failure(1);
        assert!(error.contains("a layer below yours, cannot be read"), "{error}");
        assert!(error.contains("hint: mount it again") && error.contains("hpcl store detach"), "{error}");
    }
    assert!(site.maybe_item_in("own", "top"));
    let base = site.base("site").display().to_string();
    let gone = site.hpcl("own", &[], &["store", "detach", &base]).success();
    assert!(gone.contains("-top-1") && gone.lines().all(|line| !line.contains("low-1\n")), "{gone}");
    site.hpcl("own", &[], &["verify"]).success();
    site.hpcl("own", &[], &["build", "-L", "recipes", "top"]).success();
    assert!(site.maybe_item("own", "low").is_some(), "now all is built here");
}

#[test]
fn a_layer_that_is_damaged_is_no_help_and_no_harm() {
    if !sandbox_or_skip("a_layer_that_is_damaged_is_no_help_and_no_harm") {
        return;
    }
    // Content without metadata, metadata without content, metadata that say nothing: each is built here.
    for damage in ["no metadata", "no content", "bad metadata"] {
        let site = Site::new();
        let middle = site.item("site", "middle");
        let name = middle.file_name().unwrap().to_str().unwrap().to_owned();
        let metadata = middle.parent().unwrap().with_file_name("var/items").join(format!("{name}.json"));
        match damage {
            "no metadata" => fs::remove_file(metadata).unwrap(),
            "no content" => drop(hpcl::store::remove_tree(&middle).unwrap()),
            _ => fs::write(metadata, "{").unwrap(),
        }
        site.hpcl("own", &["site"], &["build", "-L", "recipes", "top"]).success();
        assert!(site.maybe_item("own", "middle").is_some(), "{damage}");
        assert!(site.maybe_item("own", "low").is_none(), "{damage}");
        site.hpcl("own", &[], &["verify"]).success();
    }
    // Content that is not what was registered is found by `verify`, and what is lost is said of those that need it.
    let site = Site::new();
    site.hpcl("own", &["site"], &["build", "-L", "recipes", "top"]).success();
    let file = site.item("site", "middle").join("user");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "changed").unwrap();
    let found = site.hpcl("own", &[], &["verify"]);
    assert_eq!(found.code, 5, "{found:?}");
    assert!(found.stdout.starts_with("changed: HOME/site/"), "{}", found.stdout);
    let cache = site.base("cache").display().to_string();
    site.hpcl("plain", &[], &["cache", "push", "--to", &cache, "-L", "recipes", "top"]).success();
    let repaired = site.hpcl("own", &[], &["verify", "--repair", "--cache", &cache]);
    assert!(repaired.stderr.contains("where nothing is changed"), "{}", repaired.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), "changed");
    site.hpcl("site", &[], &["verify", "--repair", "--cache", &cache]).success();
    site.hpcl("own", &[], &["verify"]).success();
    site.hpcl("site", &[], &["gc"]).success();
    let broken = site.hpcl("own", &[], &["verify"]);
    assert!(
        broken.stdout.contains("broken reference: ") && broken.stdout.contains("-middle-1"),
        "{}",
        broken.stdout
    );
}

#[test]
fn what_is_no_layer_for_this_hpcl_is_refused() {
    if !sandbox_or_skip("what_is_no_layer_for_this_hpcl_is_refused") {
        return;
    }
    let site = Site::new();
    let description = site.store_of("site").with_file_name("var").join("store.json");
    let text = fs::read_to_string(&description).unwrap();
    fs::write(&description, text.replace("\"format\":1", "\"format\":7")).unwrap();
    let error = site.hpcl("own", &["site"], &["gc"]).failure(1);
    assert!(error.contains("has format 7; this hpcl knows format 1"), "{error}");
    fs::write(&description, text.replace("/site/", "/elsewhere/")).unwrap();
    let error = site.hpcl("own", &["site"], &["gc"]).failure(1);
    assert!(error.contains("was made as"), "{error}");
    let error = site.hpcl("own", &["nowhere"], &["gc"]).failure(1);
    assert!(error.contains("a layer below yours, cannot be read"), "{error}");
}

#[test]
fn a_layer_of_another_user_need_only_be_readable() {
    let test = "a_layer_of_another_user_need_only_be_readable";
    if !sandbox_or_skip(test) {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED {test}: only root can become another user");
    }
    let site = Site::new();
    let home = site.environment.home();
    fs::set_permissions(home, fs::Permissions::from_mode(0o755)).unwrap();
    // The tests' own program may lie where nobody else can read.
    let program = home.join("hpcl");
    fs::copy(env!("CARGO_BIN_EXE_hpcl"), &program).unwrap();
    fs::create_dir(home.join("nobody")).unwrap();
    std::os::unix::fs::chown(home.join("nobody"), Some(65534), Some(65534)).unwrap();
    let before = site.snapshot();
    let mut command = Command::new(&program);
    command
        .args(["build", "-L", "recipes", "top"])
        .current_dir(home)
        .env_clear()
        .env("HOME", home.join("nobody"))
        .env("HPCL_STORE_LAYERS", site.base("site"))
        .env("PATH", "/usr/bin:/bin")
        .uid(65534)
        .gid(65534);
    let printed = site.environment.finish(command).success();
    let top = printed.trim().replace("HOME", &home.display().to_string());
    assert!(top.contains("/nobody/") && Path::new(&top).join("link/.").parent().is_some(), "{top}");
    assert!(fs::read(Path::new(&top).join("link")).is_ok(), "the link leads into the layer");
    assert_eq!(site.snapshot(), before);
}

impl Site {
    /// Whether a store has a package's item, without asking hpcl.
    fn maybe_item_in(&self, store: &str, package: &str) -> bool {
        walkdir::WalkDir::new(self.base(store))
            .max_depth(3)
            .into_iter()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().ends_with(&format!("-{package}-1")))
    }
}
