//! A line on the terminal while packages are looked at for the first time.
//!
//! Nothing is shown elsewhere, and nothing is left when it is done.

use std::{
    io::IsTerminal,
    sync::{Arc, Mutex, PoisonError},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Returns what shows how many modules of how many are done, if standard error is a terminal.
pub fn indexing() -> Option<Arc<dyn Fn(usize, usize) + Send + Sync>> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let shown: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Some(Arc::new(move |done, all| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = shown.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("looking at packages {wide_bar} {pos}/{len} modules");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style)
        });
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        if done >= all {
            bar.finish_and_clear();
            *shown = None;
        }
    }))
}
