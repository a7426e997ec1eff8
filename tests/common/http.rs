//! A server on the loopback interface that answers by a script.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// A request: method, path and header fields, the last with names in lower case.
#[derive(Clone, Debug)]
pub struct Asked {
    /// As in `GET`.
    pub method: String,
    /// The path.
    pub path: String,
    /// The header fields.
    pub headers: BTreeMap<String, String>,
}

/// An answer: status line, header lines and body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As in `200 OK`.
    pub status: &'static str,
    /// Lines as `Name: value`.
    pub headers: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A success with a content type.
    pub fn ok(kind: &str, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status: "200 OK", headers: vec![format!("Content-Type: {kind}")], body: body.into() }
    }

    /// Another status without a body.
    pub fn status(status: &'static str) -> Answer {
        Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header line.
    pub fn with(mut self, line: impl Into<String>) -> Answer {
        self.headers.push(line.into());
        self
    }

    /// The part of a success that the request asks for.
    pub fn ranged(self, asked: &Asked) -> Answer {
        let Some(range) = asked.headers.get("range").and_then(|range| range.strip_prefix("bytes=")) else {
            return self;
        };
        let length = self.body.len();
        let (from, to) = match range.split_once('-').unwrap() {
            ("", last) => (length.saturating_sub(last.parse().unwrap()), length),
            (from, "") => (from.parse().unwrap(), length),
            (from, to) => (from.parse().unwrap(), (to.parse::<usize>().unwrap() + 1).min(length)),
        };
        Answer {
            status: "206 Partial Content",
            headers: vec![format!("Content-Range: bytes {from}-{}/{length}", to - 1)],
            body: self.body.get(from..to).unwrap_or_default().to_vec(),
        }
    }
}

/// A server that answers by a script; each connection has a thread of its own.
pub struct Server {
    /// Its address without a slash at the end.
    pub base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one.
    pub fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (asked, stop) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::new(AtomicBool::new(false)));
        let (log, stopped, script) = (Arc::clone(&asked), Arc::clone(&stop), Arc::new(script));
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                std::thread::spawn(move || answer(&connection.unwrap(), &log, &*script));
            }
        });
        Server { base, asked, stop, thread: Some(thread) }
    }

    /// The paths that were asked for, in order.
    pub fn paths(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.path.clone()).collect()
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
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

fn answer(mut connection: &TcpStream, log: &Mutex<Vec<Asked>>, script: &dyn Fn(&Asked) -> Answer) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let request = |line: String| {
        let mut words = line.split(' ').map(str::to_owned);
        words.next().zip(words.next())
    };
    let Some((method, path)) = lines.next().and_then(request) else { return };
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            Some((line.split_once(": ")?.0.to_lowercase(), line.split_once(": ")?.1.to_owned()))
        })
        .collect();
    let asked = Asked { method, path, headers };
    log.lock().unwrap().push(asked.clone());
    let answer = script(&asked);
    let head: String = answer.headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = answer.body.len();
    let head =
        format!("HTTP/1.1 {}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n", answer.status);
    let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&answer.body));
}
