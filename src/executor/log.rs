//! The log of one build: compressed to disk as it comes, with the last lines and the current phase kept in memory.
//!
//! A build may print 100 MB or one endless line: memory stays the same, since only the last 50 lines are kept, each cut
//! at 500 bytes. Phases are announced by the builder's library in lines `@phase NAME start` and `@phase NAME end SECONDS`;
//! they stay in the log, and become events.
//!
//! The file is made with the first byte: a build that prints nothing has no log.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::BuildError;

/// Lines kept for the message of a failed build.
pub const LAST_LINES: usize = 50;
const LINE_LIMIT: usize = 500;
// Logs are written once and rarely read; higher levels cost processor time that builds could use.
const LEVEL: i32 = 1;

/// Where the log of a derivation lies below the log directory: `ab/cdef…-hello-2.10.drv.zst`.
pub fn log_path(directory: &Path, drv_base_name: &str) -> PathBuf {
    let (head, tail) = drv_base_name.split_at_checked(2).unwrap_or((drv_base_name, ""));
    directory.join(head).join(format!("{tail}.zst"))
}

/// What a line of the log means.
#[derive(Debug, PartialEq, Eq)]
pub enum LogEvent<'a> {
    /// A phase began.
    Phase(&'a str),
    /// Something was printed.
    Line(&'a str),
}

/// Takes a build's output.
pub struct LogWriter {
    path: PathBuf,
    encoder: Option<zstd::Encoder<'static, File>>,
    last: VecDeque<String>,
    /// The line that has not ended yet, cut at the limit.
    partial: Vec<u8>,
    phase: Option<String>,
}

impl LogWriter {
    /// A log that will be written to `path`.
    pub fn new(path: PathBuf) -> LogWriter {
        LogWriter { path, encoder: None, last: VecDeque::new(), partial: Vec::new(), phase: None }
    }

    /// Takes a piece of output and tells `on` of each line that it ends.
    pub fn write(&mut self, piece: &[u8], on: &mut dyn FnMut(LogEvent<'_>)) -> Result<(), BuildError> {
        self.compress(piece)?;
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            self.gather(line);
            self.end_line(on);
            rest = after.split_first().map_or(&[], |(_, tail)| tail);
        }
        self.gather(rest);
        Ok(())
    }

    /// Ends the log; answers its path, if anything was printed.
    pub fn finish(&mut self, on: &mut dyn FnMut(LogEvent<'_>)) -> Result<Option<PathBuf>, BuildError> {
        if !self.partial.is_empty() {
            self.end_line(on);
        }
        let Some(encoder) = self.encoder.take() else { return Ok(None) };
        encoder.finish().map_err(|source| self.failed(source))?;
        Ok(Some(self.path.clone()))
    }

    /// The last lines printed, oldest first.
    pub fn last_lines(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }

    /// The phase that began last and has not ended.
    pub fn phase(&self) -> Option<&str> {
        self.phase.as_deref()
    }

    fn compress(&mut self, piece: &[u8]) -> Result<(), BuildError> {
        if self.encoder.is_none() && !piece.is_empty() {
            self.encoder = Some(create(&self.path).map_err(|source| self.failed(source))?);
        }
        match &mut self.encoder {
            Some(encoder) => {
                encoder.write_all(piece).map_err(|source| BuildError::Log { path: self.path.clone(), source })
            }
            None => Ok(()),
        }
    }

    fn gather(&mut self, bytes: &[u8]) {
        let room = LINE_LIMIT.saturating_sub(self.partial.len());
        self.partial.extend(bytes.iter().take(room));
    }

    fn end_line(&mut self, on: &mut dyn FnMut(LogEvent<'_>)) {
        let line = String::from_utf8_lossy(&self.partial).trim_end_matches('\r').to_owned();
        self.partial.clear();
        if let Some(marker) = line.strip_prefix("@phase ") {
            let mut words = marker.split_whitespace();
            match (words.next(), words.next()) {
                (Some(name), Some("start")) => {
                    self.phase = Some(name.to_owned());
                    on(LogEvent::Phase(name));
                    return;
                }
                (Some(_), Some("end")) => {
                    self.phase = None;
                    return;
                }
                _ => {}
            }
        }
        on(LogEvent::Line(&line));
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    fn failed(&self, source: io::Error) -> BuildError {
        BuildError::Log { path: self.path.clone(), source }
    }
}

fn create(path: &Path) -> io::Result<zstd::Encoder<'static, File>> {
    let file = match File::create(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            File::create(path)?
        }
        other => other?,
    };
    zstd::Encoder::new(file, LEVEL)
}

/// Reads a compressed log, for `hpcl log`.
pub fn read_log(path: &Path) -> io::Result<impl io::Read + use<>> {
    zstd::Decoder::new(File::open(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn lines_phases_and_text_come_out_as_they_went_in() {
        let directory = tempfile::tempdir().unwrap();
        let path = log_path(directory.path(), "abcdef-hello.drv");
        assert_eq!(path, directory.path().join("ab/cdef-hello.drv.zst"));
        let mut log = LogWriter::new(path.clone());
        let mut seen = Vec::new();
        let mut on = |event: LogEvent<'_>| seen.push(format!("{event:?}"));
        log.write(b"@phase build start\nfirst\nsec", &mut on).unwrap();
        assert_eq!(log.phase(), Some("build"));
        log.write(b"ond\r\n@phase build end 0.1\nlast", &mut on).unwrap();
        assert_eq!(log.phase(), None);
        assert_eq!(log.finish(&mut on).unwrap(), Some(path.clone()));
        assert_eq!(seen, [r#"Phase("build")"#, r#"Line("first")"#, r#"Line("second")"#, r#"Line("last")"#]);
        assert_eq!(log.last_lines(), ["first", "second", "last"]);
        let mut text = String::new();
        read_log(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "@phase build start\nfirst\nsecond\r\n@phase build end 0.1\nlast");
    }

    #[test]
    fn a_build_that_prints_nothing_has_no_log() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = LogWriter::new(directory.path().join("none"));
        log.write(b"", &mut |_| {}).unwrap();
        assert_eq!(log.finish(&mut |_| {}).unwrap(), None);
        assert!(!directory.path().join("none").exists());
    }

    #[test]
    fn memory_is_bounded_by_lines_and_by_their_length() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = LogWriter::new(directory.path().join("log"));
        for _ in 0..100 {
            log.write(&[b'x'; 10_000], &mut |_| {}).unwrap();
        }
        for _ in 0..100 {
            log.write(b"\nline", &mut |_| {}).unwrap();
        }
        log.finish(&mut |_| {}).unwrap();
        assert_eq!(log.last_lines().len(), LAST_LINES);
        assert!(log.partial.capacity() <= 2 * LINE_LIMIT);
    }
}
