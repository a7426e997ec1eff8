//! Repositories of channels, made with git as their authors would.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::TestEnvironment;

/// A repository below a home, made with git as its authors would.
pub struct Origin<'a> {
    /// The home.
    pub environment: &'a TestEnvironment,
    /// Its name there.
    pub name: &'static str,
}

impl<'a> Origin<'a> {
    /// Makes one that is a channel.
    pub fn new(environment: &'a TestEnvironment, name: &'static str) -> Self {
        let origin = Origin { environment, name };
        std::fs::create_dir_all(origin.path()).unwrap();
        origin.git(&["init", "-q", "-b", "master"]);
        origin.write("channel.hpcl", "(channel (version 0))\n");
        origin
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.environment.home().join(self.name)
    }

    /// Writes a file of it.
    pub fn write(&self, file: &str, text: &str) {
        self.environment.write(&format!("{}/{file}", self.name), text);
    }

    /// Runs git in it.
    pub fn git(&self, arguments: &[&str]) -> String {
        git(self.environment, &self.path(), arguments)
    }

    /// Commits all that is there and returns the commit.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    /// The commit that is checked out.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Writes a package of that version, in a module called after it.
    pub fn package(&self, name: &str, version: &str) {
        let text = format!(
            "(define-module (own {name})\n  #:use-module (guix packages)\n  #:use-module (guix gexp)\n  \
             #:use-module (guix build-system trivial))\n\n(define-public {name}\n{})\n",
            super::trivial_package(&format!("\"{name}\""), "#~(mkdir #$output)")
                .replace("(version \"1\")", &format!("(version \"{version}\")"))
        );
        self.write(&format!("own/{name}.hpcl"), &text);
    }
}

/// Runs git and returns what it prints.
pub fn git(environment: &TestEnvironment, folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
        .args(arguments)
        .current_dir(folder)
        .env("HOME", environment.home())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Writes the user's list of channels.
pub fn list(environment: &TestEnvironment, channels: &str) {
    environment
        .write(".config/hpcl/channels.hpcl", &format!("(append (list {channels})\n  %default-channels)\n"));
}

/// A channel of that list.
pub fn channel(name: &str, url: &str, more: &str) -> String {
    format!("(channel (name '{name}) (url \"{url}\") {more})")
}

/// The version of a package, as `hpcl show` prints it.
pub fn version_of(environment: &TestEnvironment, package: &str) -> String {
    let shown = environment.run(&["show", package]).success();
    let line = shown.lines().find(|line| line.starts_with("version:")).unwrap();
    line.split_once(' ').unwrap().1.to_owned()
}

/// Serves the repositories below a directory over HTTP, by git's own program.
pub fn serve(directory: PathBuf) -> String {
    use std::io::{BufRead, BufReader, Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            let mut lines: Vec<String> = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                    break;
                }
                lines.push(line.trim().to_owned());
            }
            let Some(first) = lines.first() else { continue };
            let header = |name: &str| {
                let found = lines.iter().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
                found.map_or(String::new(), |line| line.split_at(name.len() + 1).1.trim().to_owned())
            };
            let mut parts = first.split(' ');
            let (method, target) = (parts.next().unwrap(), parts.next().unwrap());
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let mut child = Command::new("git")
                .args(["-c", "safe.directory=*", "http-backend"])
                .env("GIT_PROJECT_ROOT", &directory)
                .env("GIT_HTTP_EXPORT_ALL", "1")
                .env("PATH_INFO", path)
                .env("QUERY_STRING", query)
                .env("REQUEST_METHOD", method)
                .env("CONTENT_TYPE", header("content-type"))
                .env("CONTENT_LENGTH", body.len().to_string())
                .env("GIT_PROTOCOL", header("git-protocol"))
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(&body).unwrap();
            let answer = child.wait_with_output().unwrap().stdout;
            let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
            let head = String::from_utf8_lossy(answer.split_at(end).0).into_owned();
            let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
            let rest: Vec<&str> = head.lines().filter(|line| !line.starts_with("Status: ")).collect();
            let body = answer.split_at(end + 4).1;
            let head = format!(
                "HTTP/1.1 {status}\r\n{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                rest.join("\r\n"),
                body.len()
            );
            let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(body));
        }
    });
    url
}
