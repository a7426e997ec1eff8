//! The builder side: runs staged code inside the sandbox.
//!
//! [`run`] interprets a job's program with the natives of this folder, one file a topic. They see the build through
//! [`world::World`]; the part of the builder-side library that needs no Rust is written in the language
//! (`stdlib/prelude/builder/`, `stdlib/build/`).

mod archive;
pub mod bytes;
pub mod condition;
mod copy;
mod directory;
mod elf;
mod environment;
mod files;
pub mod host;
mod port;
mod port_natives;
mod process;
mod references;
mod run;
mod search;
mod shebang;
mod status;
mod text;
pub mod world;

use hpcl_lang::native::Native;

pub use host::BuilderHost;
pub use run::{Failure, interpret, run};

/// Returns the tables of all natives of the builder side.
pub fn natives() -> Vec<&'static [Native]> {
    vec![
        archive::NATIVES,
        condition::NATIVES,
        copy::NATIVES,
        directory::NATIVES,
        elf::NATIVES,
        environment::NATIVES,
        files::NATIVES,
        port_natives::NATIVES,
        process::NATIVES,
        references::NATIVES,
        search::NATIVES,
        shebang::NATIVES,
        status::NATIVES,
        text::NATIVES,
    ]
}
