//! Reading `channels.hpcl`: a program of the language whose value is a list of channels.

use std::path::Path;

use hpcl_lang::value::Value;

use super::{Evaluation, EvaluationError, EvaluationHost, evaluation::library};
use crate::channel::declared::{Declared, Introduction};

impl Evaluation {
    /// Evaluates a file that lists channels.
    ///
    /// # Errors
    /// [`EvaluationError`]; one of them when it is a list of something else.
    pub fn channels(&mut self, path: &Path) -> Result<Vec<Declared>, EvaluationError> {
        self.interpreter.host_mut::<EvaluationHost>().lists_channels = true;
        let value = self.file(path)?;
        let rows = self.call_in(&library("channels"), "channels->rows", vec![value])?;
        let rows = rows.list_to_vec().ok_or_else(|| EvaluationError::NoChannels { path: path.to_owned() })?;
        // A directory is named as seen from the file.
        let base = path.parent().unwrap_or(Path::new("."));
        let mut declared: Vec<Declared> = rows.iter().filter_map(row).collect();
        for channel in &mut declared {
            channel.url = absolute(&channel.url, base);
        }
        Ok(declared)
    }
}

/// Makes the address of a directory absolute; others stay as they are.
pub fn absolute(url: &str, base: &Path) -> String {
    let home = || std::env::var_os("HOME").map(std::path::PathBuf::from);
    let path = if let Some(rest) = url.strip_prefix("~/") {
        home().map(|home| home.join(rest))
    } else if url.starts_with("./") || url.starts_with("../") {
        Some(base.join(url))
    } else {
        None
    };
    match path {
        Some(path) => path.canonicalize().unwrap_or(path).display().to_string(),
        None => url.to_owned(),
    }
}

fn row(row: &Value) -> Option<Declared> {
    let parts = row.list_to_vec()?;
    let text = |index: usize| parts.get(index).and_then(Value::as_str).map(str::to_owned);
    let introduction = text(4).zip(text(5)).map(|(commit, signer)| Introduction { commit, signer });
    let mirrors = parts.get(6).and_then(Value::list_to_vec).unwrap_or_default();
    Some(Declared {
        name: text(0)?,
        url: text(1)?,
        branch: text(2),
        commit: text(3),
        introduction,
        mirrors: mirrors.iter().filter_map(|url| url.as_str().map(str::to_owned)).collect(),
    })
}
