//! A real sshd of the user who runs the tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Ended, Run, TestEnvironment, free_port, serve};

/// An sshd on a port of its own; ended when dropped.
pub struct Server {
    _process: Ended,
    port: u16,
    keys: tempfile::TempDir,
}

impl Server {
    /// Starts one whose sessions have this home. None, loudly, where there is no sshd.
    pub fn start(home: &Path, test: &str) -> Option<Server> {
        let Some(sshd) = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"]
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.exists())
        else {
            eprintln!("SKIPPED {test}: there is no sshd on this machine");
            return None;
        };
        let keys = tempfile::tempdir().unwrap();
        for name in ["host", "user"] {
            let status = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(keys.path().join(name))
                .status()
                .unwrap();
            assert!(status.success());
        }
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/user.pub\n\
             StrictModes no\nPidFile none\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n\
             SetEnv HOME={home} PATH=/usr/bin:/bin\n",
            keys = keys.path().display(),
            home = home.display()
        );
        fs::write(keys.path().join("config"), config).unwrap();
        // Started by root, it wants this directory, which a service manager would have made.
        let _ = fs::create_dir_all("/run/sshd");
        let process = serve(Command::new(sshd).arg("-D").arg("-f").arg(keys.path().join("config")), port);
        Some(Server { _process: process, port, keys })
    }

    /// Runs `hpcl` as a user whose key the server knows.
    pub fn run(&self, user: &TestEnvironment, arguments: &[&str]) -> Run {
        self.finish(user, user.command(arguments))
    }

    /// Runs a command as that user.
    pub fn finish(&self, user: &TestEnvironment, mut command: Command) -> Run {
        let options = format!(
            "-F none -i {}/user -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes",
            self.keys.path().display()
        );
        command.env("HPCL_SSH_OPTIONS", options);
        user.finish(command)
    }

    /// Its address, without a path.
    pub fn address(&self) -> String {
        format!("ssh://127.0.0.1:{}", self.port)
    }
}
