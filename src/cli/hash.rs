//! `hpcl hash`: prints the hash of files and directories in the forms that recipes use.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum, ValueHint};
use data_encoding::{BASE32, BASE64};

use super::Outcome;
use crate::{
    hash::{Algorithm, Digest, Hasher, git_object},
    nar,
    report::{Failure, chain},
};

/// Names of what version control keeps in a working tree.
const VERSION_CONTROL: [&[u8]; 6] = [b".git", b".svn", b".hg", b".bzr", b"CVS", b"_darcs"];

/// Arguments of `hpcl hash`.
#[derive(Args)]
pub struct Arguments {
    /// Files and directories; `-` is standard input
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Hash the archive of the tree, as for a directory, even of a file; as `--serializer nar`
    #[arg(short, long, conflicts_with = "serializer")]
    recursive: bool,
    /// What of the file or directory is hashed
    #[arg(short = 'S', long, value_enum, default_value_t = Serializer::Auto)]
    serializer: Serializer,
    /// Leave out what version control keeps: `.git`, `.svn`, …
    #[arg(short = 'x', long)]
    exclude_vcs: bool,
    /// The algorithm
    #[arg(short = 'H', long = "hash", alias = "algorithm", value_enum, default_value_t = Function::Sha256)]
    function: Function,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Format::NixBase32)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Serializer {
    /// The content of a file, the archive of a directory
    Auto,
    /// The content of a file
    None,
    /// The archive that Nix and Guix hash
    Nar,
    /// The object that Git makes: a blob or a tree, without empty directories; `-H sha1 -f hex` is its usual name
    Git,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Function {
    Sha1,
    Sha256,
    Sha512,
}

/// How a hash is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Nix's base-32, as in `(base32 "…")`
    NixBase32,
    /// Base-32 of RFC 4648
    Base32,
    /// Hexadecimal
    #[value(alias = "hex", alias = "hexadecimal")]
    Base16,
    /// Base-64
    Base64,
    /// Subresource integrity, `sha256-…`
    Sri,
    /// Software Heritage's identifier, `swh:1:…`, by which its archive has it
    Swhid,
}

/// Prints the hashes, a line each.
pub fn run(arguments: &Arguments) -> Outcome {
    let algorithm = match arguments.function {
        Function::Sha1 => Algorithm::Sha1,
        Function::Sha256 => Algorithm::Sha256,
        Function::Sha512 => Algorithm::Sha512,
    };
    let mut out = std::io::stdout();
    for path in &arguments.paths {
        if arguments.format == Format::Swhid {
            writeln!(out, "{}", crate::git::swhid(path).map_err(|error| failed(path, &error))?)?;
            continue;
        }
        let digest = digest(arguments, path, algorithm)?;
        writeln!(out, "{}", encoded(&digest, arguments.format))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn digest(arguments: &Arguments, path: &Path, algorithm: Algorithm) -> Result<Digest, Failure> {
    if path == Path::new("-") {
        return of_reader(&mut std::io::stdin().lock(), algorithm).map_err(|error| failed(path, &error));
    }
    // Of a link, what it leads to; inside of trees links are links.
    let target = std::fs::canonicalize(path).map_err(|error| failed(path, &error))?;
    let skip = |name: &[u8]| arguments.exclude_vcs && VERSION_CONTROL.contains(&name);
    let serializer = match arguments.serializer {
        _ if arguments.recursive => Serializer::Nar,
        Serializer::Auto if target.is_dir() => Serializer::Nar,
        Serializer::Auto => Serializer::None,
        other => other,
    };
    match serializer {
        Serializer::Nar => {
            let mut hasher = Hasher::new(algorithm);
            nar::dump_without(&target, &mut hasher, &skip).map_err(|error| Failure::new(chain(&error)))?;
            Ok(hasher.finish())
        }
        Serializer::Git => {
            git_object::of_path(&target, algorithm, &skip).map_err(|error| failed(path, &error))
        }
        _ => of_file(&target, algorithm),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read `{}`: {error}", path.display()))
}

/// The hash of a file's content.
pub fn of_file(path: &Path, algorithm: Algorithm) -> Result<Digest, Failure> {
    let file = std::fs::File::open(path).and_then(|mut file| of_reader(&mut file, algorithm));
    file.map_err(|error| failed(path, &error))
}

fn of_reader(from: &mut impl Read, algorithm: Algorithm) -> std::io::Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    std::io::copy(from, &mut hasher)?;
    Ok(hasher.finish())
}

/// The text of a hash.
pub fn encoded(digest: &Digest, format: Format) -> String {
    match format {
        Format::NixBase32 => digest.to_base32(),
        Format::Base32 => BASE32.encode(digest.bytes()).trim_end_matches('=').to_ascii_lowercase(),
        Format::Base16 => digest.to_base16(),
        Format::Base64 => BASE64.encode(digest.bytes()),
        Format::Sri | Format::Swhid => digest.to_sri(),
    }
}
