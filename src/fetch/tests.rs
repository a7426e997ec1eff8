//! Downloads from scripted servers on the loopback interface: honest, slow, broken and lying ones.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::*;

/// A request as the script sees it: path and where the asked range begins.
struct Asked {
    path: String,
    from: Option<usize>,
}

/// Head and body of an answer, and whether the connection is held open after it.
struct Answer {
    head: String,
    body: Vec<u8>,
    hang: bool,
}

fn answer(status: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    Answer { head, body: body.to_vec(), hang: false }
}

/// The answer of a server that knows ranges.
fn ranged(asked: &Asked, content: &[u8]) -> Answer {
    match asked.from {
        None => answer("200 OK", content),
        Some(from) if from >= content.len() => {
            answer(&format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{}", content.len()), b"")
        }
        Some(from) => {
            let range = format!("Content-Range: bytes {from}-{}/{}", content.len() - 1, content.len());
            answer(&format!("206 Partial Content\r\n{range}"), &content[from..])
        }
    }
}

/// Cuts an answer short: only `count` bytes of its body are sent.
fn cut(mut whole: Answer, count: usize) -> Answer {
    whole.body.truncate(count);
    whole
}

/// Paths asked for and where the ranges began.
type Log = Arc<Mutex<Vec<(String, Option<usize>)>>>;

struct Server {
    base: String,
    asked: Log,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(script: impl Fn(&Asked, usize) -> Answer + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (asked, stop) = (Log::default(), Arc::new(AtomicBool::new(false)));
        let (log, stopped) = (asked.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut held = Vec::new();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let Some(request) = read_request(&connection) else { continue };
                let count = log.lock().unwrap().len();
                log.lock().unwrap().push((request.path.clone(), request.from));
                let answer = script(&request, count);
                let _ = connection
                    .write_all(answer.head.as_bytes())
                    .and_then(|()| connection.write_all(&answer.body));
                if answer.hang {
                    held.push(connection);
                }
            }
        });
        Server { base, asked, stop, thread: Some(thread) }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn asked(&self) -> Vec<Option<usize>> {
        self.asked.lock().unwrap().iter().map(|(_, from)| *from).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.base.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read_request(connection: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let range = headers
        .iter()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    Some(Asked { path, from: range.and_then(|range| range.trim_end_matches('-').parse().ok()) })
}

fn content() -> Vec<u8> {
    (0..200_000u32).flat_map(|n| (n % 251).to_le_bytes()).collect()
}

fn download(urls: &[String], content: &[u8]) -> Download {
    Download {
        name: "file.tar.gz".into(),
        urls: urls.to_vec(),
        expected: Some(Digest::sha256(content)),
        cargo: None,
    }
}

struct Place {
    dir: tempfile::TempDir,
    fetcher: Fetcher,
}

impl Place {
    fn new() -> Place {
        Self::with_mirrors(Mirrors::default())
    }

    fn with_mirrors(mirrors: Mirrors) -> Place {
        Self::with(mirrors, Duration::from_secs(60))
    }

    /// For servers that hang: gives up after a second.
    fn impatient() -> Place {
        Self::with(Mirrors::default(), Duration::from_secs(1))
    }

    fn with(mirrors: Mirrors, stall_timeout: Duration) -> Place {
        let options = Options {
            connect_timeout: Duration::from_secs(60),
            stall_timeout,
            rounds: 2,
            pause: Duration::ZERO,
        };
        let mut fetcher = Fetcher::new(options, mirrors);
        // The tests talk to this machine, whatever proxy it uses for others.
        let direct = config(&fetcher.options).proxy(None).build();
        fetcher.agent = agent(direct);
        Place { dir: tempfile::tempdir().unwrap(), fetcher }
    }

    fn to(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    fn part(&self) -> PathBuf {
        self.dir.path().join("out.part")
    }

    fn fetch(&self, download: &Download) -> Result<Fetched, FetchError> {
        self.fetcher.fetch(download, &self.to(), &mut |_| ControlFlow::Continue(()))
    }

    /// What is left after a success: the file alone.
    fn assert_whole(&self, content: &[u8]) {
        assert!(fs::read(self.to()).unwrap() == content && !self.part().exists());
    }
}

#[test]
fn fetches_and_reports_progress() {
    let content = content();
    let sent = content.clone();
    let server = Server::start(move |asked, _| ranged(asked, &sent));
    let place = Place::new();
    let mut last = None;
    let mut watch = |progress: Progress<'_>| {
        last = Some((progress.received, progress.total));
        ControlFlow::Continue(())
    };
    let fetched =
        place.fetcher.fetch(&download(&[server.url("/f")], &content), &place.to(), &mut watch).unwrap();
    assert_eq!((fetched.size, fetched.digest), (content.len() as u64, Digest::sha256(&content)));
    assert_eq!(last, Some((content.len() as u64, Some(content.len() as u64))));
    place.assert_whole(&content);
}

#[test]
fn a_broken_connection_is_continued() {
    let content = content();
    let sent = content.clone();
    let server = Server::start(move |asked, count| match count {
        0 => cut(ranged(asked, &sent), 300_000),
        1 => Answer { hang: true, ..cut(ranged(asked, &sent), 100_000) },
        _ => ranged(asked, &sent),
    });
    let place = Place::impatient();
    place.fetch(&download(&[server.url("/f")], &content)).unwrap();
    place.assert_whole(&content);
    let asked = server.asked();
    assert_eq!((asked.len(), asked[0]), (3, None));
    assert!(asked[1].unwrap() > 0 && asked[2] > asked[1], "{asked:?}");
}

#[test]
fn an_earlier_download_is_resumed() {
    let content = content();
    let sent = content.clone();
    let server = Server::start(move |asked, _| ranged(asked, &sent));
    for left in [content[..5000].to_vec(), content.clone()] {
        let place = Place::new();
        fs::write(place.part(), &left).unwrap();
        place.fetch(&download(&[server.url("/f")], &content)).unwrap();
        place.assert_whole(&content);
        assert_eq!(server.asked().last(), Some(&Some(left.len())));
    }
}

#[test]
fn a_part_that_does_not_fit_is_thrown_away() {
    let content = content();
    let sent = content.clone();
    let server = Server::start(move |asked, _| ranged(asked, &sent));
    for left in [b"other bytes".to_vec(), vec![0; content.len()], vec![0; content.len() + 9]] {
        let place = Place::new();
        fs::write(place.part(), &left).unwrap();
        place.fetch(&download(&[server.url("/f")], &content)).unwrap();
        place.assert_whole(&content);
    }
}

#[test]
fn a_server_without_ranges_makes_it_start_over() {
    let content = content();
    let sent = content.clone();
    let server = Server::start(move |_, count| {
        cut(answer("200 OK", &sent), if count == 0 { 1000 } else { usize::MAX })
    });
    let place = Place::new();
    place.fetch(&download(&[server.url("/f")], &content)).unwrap();
    place.assert_whole(&content);
    assert_eq!(server.asked(), [None, Some(1000)]);
}

#[test]
fn a_wrong_hash_shows_both_and_leaves_nothing() {
    let server = Server::start(|asked, _| ranged(asked, b"not what was pinned"));
    let place = Place::new();
    let error = place.fetch(&download(&[server.url("/f")], b"pinned")).unwrap_err();
    let (expected, actual) = (Digest::sha256(b"pinned"), Digest::sha256(b"not what was pinned"));
    assert_eq!(
        error.to_string(),
        format!(
            "wrong hash for `file.tar.gz` from {}\n  expected: {} ({})\n  actual:   {} ({})",
            server.url("/f"),
            expected.to_base32(),
            expected.to_base16(),
            actual.to_base32(),
            actual.to_base16()
        )
    );
    assert!(error.hint().is_some());
    assert!(!place.to().exists() && !place.part().exists());
    assert_eq!(server.asked().len(), 1, "asking again would not help");
}

#[test]
fn the_next_mirror_is_asked_in_order() {
    let content = content();
    let sent = content.clone();
    let good = Server::start(move |asked, _| ranged(asked, &sent));
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/absent" => answer("404 Not Found", b"no"),
        "/broken" => answer("503 Service Unavailable", b"no"),
        "/lying" => answer("200 OK", b"a login page"),
        _ => Answer { head: "HTTP/1.1 200 OK\r\n".into(), body: vec![], hang: true },
    });
    let place = Place::impatient();
    let mut urls: Vec<String> =
        ["/absent", "/broken", "/lying", "/hanging"].map(|path| server.url(path)).to_vec();
    urls.extend([
        "ftp://127.0.0.1/f".into(),
        "mirror://unheard-of/f".into(),
        good.url("/f"),
        server.url("/never"),
    ]);
    let fetched = place.fetch(&download(&urls, &content)).unwrap();
    assert_eq!(fetched.url, good.url("/f"));
    place.assert_whole(&content);
    let asked: Vec<String> = server.asked.lock().unwrap().iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(asked, ["/absent", "/broken", "/lying", "/hanging"]);
}

#[test]
fn a_download_goes_on_at_another_mirror() {
    let content = content();
    let (one, two) = (content.clone(), content.clone());
    let first = Server::start(move |asked, count| match count {
        0 => cut(ranged(asked, &one), 200_000),
        _ => answer("500 Internal Server Error", b""),
    });
    let second = Server::start(move |asked, _| ranged(asked, &two));
    let place = Place::new();
    place.fetch(&download(&[first.url("/f"), second.url("/f")], &content)).unwrap();
    place.assert_whole(&content);
    assert!(second.asked()[0].unwrap() > 0);
}

#[test]
fn a_mirror_that_hangs_is_given_up() {
    let server = Server::start(|_, _| Answer {
        head: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".into(),
        body: b"some".to_vec(),
        hang: true,
    });
    let place = Place::impatient();
    let error = place.fetch(&download(&[server.url("/f")], b"x")).unwrap_err();
    let text = error.to_string();
    assert_eq!(text, format!("cannot fetch `file.tar.gz`\n  {}: nothing received for 1 s", server.url("/f")));
    assert!(error.hint().unwrap().contains("network"));
}

#[test]
fn a_silent_server_is_asked_last_the_next_time() {
    let silent = Server::start(|_, _| Answer { head: String::new(), body: vec![], hang: true });
    let good = Server::start(|asked, _| ranged(asked, b"content"));
    let place = Place::impatient();
    let urls = [silent.url("/f"), good.url("/f")];
    for _ in 0..2 {
        place.fetch(&download(&urls, b"content")).unwrap();
    }
    assert_eq!((silent.asked().len(), good.asked().len()), (1, 2));
}

#[test]
fn what_may_pass_is_tried_again() {
    let server = Server::start(|asked, count| match count {
        0 => answer("503 Service Unavailable", b""),
        _ => ranged(asked, b"content"),
    });
    let place = Place::new();
    place.fetch(&download(&[server.url("/f")], b"content")).unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn all_failures_are_listed() {
    let server = Server::start(|_, _| answer("404 Not Found", b"no"));
    // A port that nobody listens at: it was free a moment ago.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::new();
    let urls = [server.url("/f"), format!("http://{closed}/f"), "file:///nonexistent/f".into()];
    let error = place.fetch(&download(&urls, b"x")).unwrap_err();
    let FetchError::Failed { failures, .. } = &error else { panic!("{error}") };
    let reason = |url: &str| &failures.iter().find(|failure| failure.url == url).unwrap().reason;
    assert_eq!(failures.len(), 3);
    assert!(reason(&urls[0]).is_absent() && reason(&urls[1]).is_network() && reason(&urls[2]).is_absent());
    assert!(error.to_string().contains(&format!("{}: not found (404)", urls[0])), "{error}");
    assert!(!place.part().exists());
}

#[test]
fn redirects_are_followed_and_compressed_files_left_alone() {
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/old" => answer("302 Found\r\nLocation: /new", b""),
        // Some servers declare an archive's own compression as that of the transfer.
        "/new" => answer("200 OK\r\nContent-Encoding: gzip", b"\x1f\x8bnot decoded"),
        _ => answer("302 Found\r\nLocation: /loop", b""),
    });
    let place = Place::new();
    place.fetch(&download(&[server.url("/old")], b"\x1f\x8bnot decoded")).unwrap();
    assert!(matches!(place.fetch(&download(&[server.url("/loop")], b"x")), Err(FetchError::Failed { .. })));
}

#[test]
fn files_are_copied() {
    let place = Place::new();
    let source = place.dir.path().join("a source");
    fs::write(&source, "content").unwrap();
    let url = format!("file://{}", source.to_str().unwrap().replace(' ', "%20"));
    fs::write(place.part(), "left over").unwrap();
    let fetched =
        place.fetch(&Download { expected: None, ..download(std::slice::from_ref(&url), b"") }).unwrap();
    assert_eq!((fetched.url, fetched.digest), (url, Digest::sha256(b"content")));
    place.assert_whole(b"content");
}

#[test]
fn mirrors_are_expanded_and_a_vanished_pin_is_named() {
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/debian/pool/here.deb" => ranged(asked, b"deb"),
        _ => answer("404 Not Found", b""),
    });
    let other = Server::start(|_, _| answer("404 Not Found", b""));
    let apt = AptConfig { mirrors: vec![server.url("/debian")], ..AptConfig::default() };
    let mut settings = Settings::default();
    settings.mirrors.insert("debian".into(), vec![other.url("/own")]);
    let place = Place::with_mirrors(Mirrors::new(settings, apt));
    let fetched = place.fetch(&download(&["mirror://debian/pool/here.deb".into()], b"deb")).unwrap();
    assert_eq!((fetched.url, other.asked().len()), (server.url("/debian/pool/here.deb"), 1));

    let error = place.fetch(&download(&["mirror://debian/pool/gone.deb".into()], b"deb")).unwrap_err();
    assert!(
        error.to_string().starts_with("pinned file `pool/gone.deb` is no longer on the Debian mirrors\n"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("`hpcl refresh-pins`"));
}

#[test]
fn the_proxy_of_apt_serves_its_mirrors_alone() {
    let proxy = Server::start(|asked, _| match asked.path.as_str() {
        "http://mirror.example.org/debian/pool/x.deb" => ranged(asked, b"deb"),
        _ => answer("404 Not Found", b""),
    });
    let mirrors = vec!["http://mirror.example.org/debian".to_owned()];
    let apt = AptConfig { mirrors, http_proxy: Some(proxy.base.clone()), https_proxy: None };
    let place = Place::with_mirrors(Mirrors::new(Settings::default(), apt));
    place.fetch(&download(&["mirror://debian/pool/x.deb".into()], b"deb")).unwrap();
    place.assert_whole(b"deb");
    let direct = Server::start(|asked, _| ranged(asked, b"direct"));
    place.fetch(&download(&[direct.url("/f")], b"direct")).unwrap();
    assert_eq!(proxy.asked().len(), 1);
}

#[test]
fn without_a_mirror_the_remedy_is_shown() {
    let place = Place::new();
    let error = place.fetch(&download(&["mirror://debian/pool/x.deb".into()], b"x")).unwrap_err();
    assert_eq!(error.to_string(), "no mirror is known for `mirror://debian`, which `file.tar.gz` comes from");
    assert!(error.hint().unwrap().contains("[mirrors]\n  debian = ["));
    assert!(matches!(place.fetch(&download(&[], b"x")), Err(FetchError::NoAddress { .. })));
}

#[test]
fn stopping_keeps_what_came() {
    let content = content();
    let sent = content.clone();
    let server = Server::start(move |asked, _| ranged(asked, &sent));
    let place = Place::new();
    let mut watch = |progress: Progress<'_>| match progress.received {
        0 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let download = download(&[server.url("/f")], &content);
    let error = place.fetcher.fetch(&download, &place.to(), &mut watch).unwrap_err();
    assert!(matches!(error, FetchError::Stopped { .. }) && place.part().exists() && !place.to().exists());
    place.fetch(&download).unwrap();
    place.assert_whole(&content);
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_of_its_own() {
    let place = Place::new();
    let to = place.dir.path().join("missing/out");
    let error =
        place.fetcher.fetch(&download(&["file:///x".into()], b""), &to, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(error, Err(FetchError::Write { path, .. }) if path == to));
}

#[test]
fn an_index_is_fetched_by_the_digest_of_the_release_file() {
    let index = "Package: hello\nVersion: 2\nFilename: pool/hello.deb\nSize: 3\nSHA256: ".to_owned()
        + &Digest::sha256(b"deb").to_base16()
        + "\n";
    let listed = Digest::sha256(index.as_bytes()).to_base16();
    let release = format!("Suite: x\nSHA256:\n {listed} 1 main/binary-amd64/Packages.xz\n");
    let server = Server::start(move |asked, _| match asked.path.rsplit('/').next() {
        Some("InRelease") => ranged(asked, release.as_bytes()),
        _ => ranged(asked, index.as_bytes()),
    });
    let apt = AptConfig { mirrors: vec![server.url("/debian")], ..AptConfig::default() };
    let place = Place::with_mirrors(Mirrors::new(Settings::default(), apt));
    match PackageIndex::fetch(&place.fetcher, "bookworm", "amd64") {
        Ok(index) => assert!(index.get("hello").is_some() && !index.is_signed()),
        // This host has the archive's keys, so that it notices the missing signature.
        Err(error) => assert!(matches!(error, FetchError::Pins(PinError::Signature { .. })), "{error}"),
    }
}
