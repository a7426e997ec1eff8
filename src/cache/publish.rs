//! A store as a binary cache over HTTP, on the fly: nothing is written.
//!
//! ```text
//! GET /nix-cache-info
//! GET /HASH.narinfo         of valid items that were built in a sandbox, signed when there is a key
//! GET /nar/HASH.nar.zst     the archive in canonical form, compressed as it goes
//! ```
//!
//! HTTP/1.1 with a thread for each connection, of which there are at most [`CONNECTIONS`]; a client that says nothing for
//! [`PATIENCE`] is left. Only `GET` and `HEAD` are answered. What an archive costs is compressing it, so there is a level.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    CACHE_INFO, Compression, NarInfo, SecretKey,
    push::{archive, cache_info},
    ssh_place,
};
use crate::{
    store::{ItemInfo, LocalStore, StoreError},
    store_path::{HASH_LENGTH, StoreDir, StorePath},
};

/// Connections at once.
const CONNECTIONS: usize = 64;
/// How long a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest head of a request, in bytes.
const HEAD: u64 = 16 << 10;

/// A store that is served.
#[derive(Debug)]
pub struct Publisher {
    store: LocalStore,
    key: Option<SecretKey>,
    level: i32,
    items: Mutex<HashMap<String, StorePath>>,
    connections: AtomicUsize,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    head_only: bool,
    path: String,
    keep: bool,
    chunks: bool,
}

/// What is answered.
enum Answer {
    Text(&'static str, Vec<u8>),
    Archive(ItemInfo),
    Error(&'static str),
}

impl Publisher {
    /// A store, served with signatures of a key and archives compressed with a level of zstd.
    pub fn new(store: LocalStore, key: Option<SecretKey>, level: i32) -> Publisher {
        Publisher { store, key, level, items: Mutex::default(), connections: AtomicUsize::new(0) }
    }

    /// Answers until accepting connections fails. `told` hears of each answer: the path and the status.
    ///
    /// # Errors
    /// When the listener fails.
    pub fn serve(&self, listener: &TcpListener, told: &(dyn Fn(&str, &str) + Sync)) -> io::Result<()> {
        thread::scope(|scope| {
            for stream in listener.incoming() {
                let stream = match stream {
                    Ok(stream) => stream,
                    // The client left before it was accepted, or files ran out for now.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                    Err(error) if matches!(error.raw_os_error(), Some(23 | 24)) => {
                        thread::sleep(Duration::from_millis(100));
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                if self.connections.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS {
                    self.connections.fetch_sub(1, Ordering::SeqCst);
                    let _ = refuse(&stream);
                    continue;
                }
                scope.spawn(move || {
                    // A client that goes away is no concern of ours.
                    let _ = self.connection(&stream, told);
                    self.connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
            Ok(())
        })
    }

    fn connection(&self, stream: &TcpStream, told: &(dyn Fn(&str, &str) + Sync)) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut input = BufReader::new(stream);
        let mut output = BufWriter::with_capacity(1 << 16, stream);
        loop {
            let Some(head) = read_head(&mut input)? else { return Ok(()) };
            let Some(request) = parse_head(&head) else {
                write_error(&mut output, "400 Bad Request", false)?;
                return output.flush();
            };
            let answer = if request.path.is_empty() {
                Answer::Error("405 Method Not Allowed")
            } else {
                self.answer(&request.path)
            };
            let status = match &answer {
                Answer::Error(status) => status,
                _ => "200 OK",
            };
            told(&request.path, status);
            let keep = self.write(&request, answer, &mut output)?;
            output.flush()?;
            if !keep {
                return Ok(());
            }
        }
    }

    /// Answers an `ssh` connection: for each name a line, the size of that file of the cache and the file, or `-`.
    ///
    /// # Errors
    /// When the other side goes away, or the disk is full.
    pub fn serve_files(&self, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
        for name in input.lines() {
            let text = match name?.as_str() {
                ssh_place::ALL => {
                    let all = self.store.all_items().map_err(io::Error::other)?;
                    let names = all.iter().map(|path| format!("{}.narinfo\n", path.hash_part()));
                    Some(names.collect::<String>().into_bytes())
                }
                name => match self.answer(&format!("/{name}")) {
                    Answer::Text(_, text) => Some(text),
                    Answer::Error(_) => None,
                    Answer::Archive(item) => {
                        // The size comes first.
                        let place = self.store.work_path("archive").map_err(io::Error::other)?;
                        self.send(&item, &mut BufWriter::new(File::create(&place)?))?;
                        let mut file = File::open(&place)?;
                        let _ = std::fs::remove_file(&place);
                        writeln!(output, "{}", file.metadata()?.len())?;
                        io::copy(&mut file, &mut output)?;
                        output.flush()?;
                        continue;
                    }
                },
            };
            match text {
                Some(text) => {
                    writeln!(output, "{}", text.len())?;
                    output.write_all(&text)?;
                }
                None => writeln!(output, "-")?,
            }
            output.flush()?;
        }
        Ok(())
    }

    fn answer(&self, path: &str) -> Answer {
        let found = match path {
            "/" => {
                let text = "A store of hpcl's, served as a binary cache: hpcl build --cache URL\n";
                return Answer::Text("text/plain", text.into());
            }
            _ if path.strip_prefix('/') == Some(CACHE_INFO) => {
                return Answer::Text("text/x-nix-cache-info", cache_info().into_bytes());
            }
            _ => {
                let narinfo = path.strip_prefix('/').and_then(|path| path.strip_suffix(".narinfo"));
                let nar = path.strip_prefix("/nar/").and_then(|path| path.strip_suffix(".nar.zst"));
                match (narinfo, nar) {
                    (Some(hash), _) => self.item(hash).map(|item| item.map(|item| self.narinfo(&item))),
                    (_, Some(hash)) => self.item(hash).map(|item| item.map(Answer::Archive)),
                    _ => Ok(None),
                }
            }
        };
        match found {
            Ok(Some(answer)) => answer,
            Ok(None) => Answer::Error("404 Not Found"),
            Err(_) => Answer::Error("500 Internal Server Error"),
        }
    }

    /// The valid item with a hash part that may be given to others.
    fn item(&self, hash: &str) -> Result<Option<ItemInfo>, StoreError> {
        if hash.len() != HASH_LENGTH {
            return Ok(None);
        }
        let items = || self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = items().get(hash).cloned();
        if known.is_none() {
            // It may have come since the list was made.
            let all = self.store.all_items()?;
            *items() = all.into_iter().map(|path| (path.hash_part().to_owned(), path)).collect();
            known = items().get(hash).cloned();
        }
        let Some(path) = known else { return Ok(None) };
        // It must not be collected while it is sent, and may have been since the list was made.
        self.store.protect([&path])?;
        match self.store.info(&path) {
            Ok(info) => Ok(info.sandboxed.then_some(info)),
            Err(StoreError::NotValid { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn narinfo(&self, item: &ItemInfo) -> Answer {
        let mut info = NarInfo {
            path: item.path.clone(),
            url: format!("nar/{}.nar.zst", item.path.hash_part()),
            compression: Compression::Zstd,
            file_hash: None,
            file_size: None,
            nar_hash: item.nar_hash,
            nar_size: item.nar_size,
            references: item.references.clone(),
            deriver: item.deriver.clone(),
            signatures: Vec::new(),
            content: None,
        };
        if let Some(key) = &self.key {
            info.signatures.push(key.sign(&info.fingerprint(&StoreDir::CANONICAL)));
        }
        Answer::Text("text/x-nix-narinfo", info.to_text(&StoreDir::CANONICAL).into_bytes())
    }

    /// Writes an answer; whether the connection may be used again.
    fn write(&self, request: &Request, answer: Answer, to: &mut impl Write) -> io::Result<bool> {
        match answer {
            Answer::Error(status) => write_error(to, status, request.keep).map(|()| request.keep),
            Answer::Text(kind, text) => {
                write_head(to, "200 OK", kind, &format!("Content-Length: {}", text.len()), request.keep)?;
                if !request.head_only {
                    to.write_all(&text)?;
                }
                Ok(request.keep)
            }
            Answer::Archive(item) => {
                // HTTP/1.0 knows no chunks: there the end of the connection is the end of the archive.
                let keep = request.keep && request.chunks;
                let length =
                    if request.chunks { "Transfer-Encoding: chunked" } else { "Accept-Ranges: none" };
                write_head(to, "200 OK", "application/zstd", length, keep)?;
                if request.head_only {
                    return Ok(keep);
                }
                if !request.chunks {
                    self.send(&item, to)?;
                    return Ok(false);
                }
                let mut chunks = BufWriter::with_capacity(1 << 16, Chunks { inner: &mut *to });
                self.send(&item, &mut chunks)?;
                chunks.flush()?;
                drop(chunks);
                to.write_all(b"0\r\n\r\n")?;
                Ok(keep)
            }
        }
    }

    /// Sends an archive, compressed. When the item turns out damaged the connection breaks off, so that the client knows.
    fn send(&self, item: &ItemInfo, to: &mut impl Write) -> io::Result<()> {
        let encoder = zstd::stream::write::Encoder::new(to, self.level)?;
        let (hash, encoder) = archive(&self.store, item, encoder).map_err(io::Error::other)?;
        if hash != item.nar_hash {
            return Err(io::Error::other("the item is damaged"));
        }
        encoder.finish()?.flush()
    }
}

/// The head of a request, up to and with its empty line; nothing when the client is done.
fn read_head(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    let mut limited = input.take(HEAD);
    loop {
        let before = head.len();
        limited.read_until(b'\n', &mut head)?;
        let line = head.get(before..).unwrap_or_default();
        match line {
            b"" if head.is_empty() => return Ok(None),
            b"" => return Ok(Some(head)),
            // Empty lines before a request are allowed.
            b"\r\n" | b"\n" if before == 0 => head.clear(),
            b"\r\n" | b"\n" => return Ok(Some(head)),
            _ => {}
        }
    }
}

/// Understands a request; its path is empty when the method is not answered.
fn parse_head(head: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    if !matches!(parsed.parse(head), Ok(httparse::Status::Complete(_))) {
        return None;
    }
    let method = parsed.method?;
    let value = |name: &str| {
        let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(found.value).to_ascii_lowercase())
    };
    let chunks = parsed.version == Some(1);
    let connection = value("connection").unwrap_or_default();
    // A body is not expected, and would be taken for the next request.
    let body =
        value("content-length").is_some_and(|length| length != "0") || value("transfer-encoding").is_some();
    let keep = !body && if chunks { connection != "close" } else { connection == "keep-alive" };
    let known = matches!(method, "GET" | "HEAD");
    let path = parsed.path?.split('?').next().unwrap_or_default();
    let path = if known { path.to_owned() } else { String::new() };
    Some(Request { head_only: method == "HEAD", path, keep: keep && known, chunks })
}

fn write_head(to: &mut impl Write, status: &str, kind: &str, length: &str, keep: bool) -> io::Result<()> {
    let connection = if keep { "keep-alive" } else { "close" };
    write!(
        to,
        "HTTP/1.1 {status}\r\nServer: hpcl\r\nContent-Type: {kind}\r\n{length}\r\nConnection: {connection}\r\n\r\n"
    )
}

fn write_error(to: &mut impl Write, status: &str, keep: bool) -> io::Result<()> {
    let allow =
        if status.starts_with("405") { "Allow: GET, HEAD\r\nContent-Length: 0" } else { "Content-Length: 0" };
    write_head(to, status, "text/plain", allow, keep)
}

fn refuse(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    write_error(&mut stream, "503 Service Unavailable", false)
}

/// A sink whose writes become chunks.
struct Chunks<'a, W> {
    inner: &'a mut W,
}

impl<W: Write> Write for Chunks<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // A chunk without bytes would be the end.
        if !data.is_empty() {
            write!(self.inner, "{:x}\r\n", data.len())?;
            self.inner.write_all(data)?;
            self.inner.write_all(b"\r\n")?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood_or_refused() {
        let parse = |text: &str| parse_head(text.as_bytes());
        let get = parse("GET /nix-cache-info?x=1 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(
            get,
            Request { head_only: false, path: "/nix-cache-info".into(), keep: true, chunks: true }
        );
        let old = parse("HEAD / HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!((old.head_only, old.keep, old.chunks), (true, false, false));
        assert!(!parse("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").unwrap().keep);
        assert!(!parse("GET / HTTP/1.1\r\nContent-Length: 7\r\n\r\n").unwrap().keep, "its body is not read");
        assert_eq!(parse("DELETE /x HTTP/1.1\r\n\r\n").unwrap().path, "");
        for bad in ["", "\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9\r\n\r\n"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        let many: String = (0..100).map(|n| format!("H{n}: x\r\n")).collect();
        assert_eq!(parse(&format!("GET / HTTP/1.1\r\n{many}\r\n")), None);
    }

    #[test]
    fn a_head_ends_and_is_bounded() {
        let mut input: &[u8] = b"\r\nGET / HTTP/1.1\r\nA: b\r\n\r\nGET /2 HTTP/1.1\r\n\r\n";
        assert_eq!(read_head(&mut input).unwrap().unwrap(), b"GET / HTTP/1.1\r\nA: b\r\n\r\n");
        assert_eq!(read_head(&mut input).unwrap().unwrap(), b"GET /2 HTTP/1.1\r\n\r\n");
        assert_eq!(read_head(&mut input).unwrap(), None);
        let endless = vec![b'x'; 1 << 20];
        assert_eq!(read_head(&mut endless.as_slice()).unwrap().unwrap().len() as u64, HEAD);
    }
}
