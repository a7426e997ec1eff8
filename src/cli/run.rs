//! `hpcl run`: runs a package's program with arguments.

use std::{ffi::OsString, path::Path};

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{
    Outcome, complete,
    options::{BuildOptions, PackageOptions, RecipeOptions, TransformationOptions},
    session,
    shell::Session,
};
use crate::report::{Failure, exit_code};

/// Arguments of `hpcl run`.
#[derive(Args)]
pub struct Arguments {
    /// The package: NAME, NAME@VERSION, NAME:OUTPUT or NAME@VERSION:OUTPUT
    #[arg(add = ArgValueCompleter::new(complete::packages))]
    package: String,
    /// The program, where it is not called like the package
    #[arg(short, long, value_name = "NAME")]
    program: Option<String>,
    #[command(flatten)]
    recipes: RecipeOptions,
    #[command(flatten)]
    transformations: TransformationOptions,
    #[command(flatten)]
    build: BuildOptions,
    /// Its arguments
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<OsString>,
}

/// Builds the package and becomes its program.
pub fn run(arguments: &Arguments) -> Outcome {
    let packages = PackageOptions {
        packages: vec![arguments.package.clone()],
        recipes: arguments.recipes.clone(),
        transformations: arguments.transformations.clone(),
        ..PackageOptions::default()
    };
    let request = session::request(&packages)?;
    let session = Session { request, packages: &packages, build: &arguments.build, pure: false };
    session.enter(|profile| {
        let name = arguments.package.split(['@', ':']).next().unwrap_or(&arguments.package);
        let program = arguments.program.as_deref().unwrap_or(name);
        Ok((choose(profile, program, arguments.program.is_some())?, arguments.arguments.clone()))
    })
}

/// Returns the program's path: the one of that name, or the only one that there is.
fn choose(profile: &Path, program: &str, named: bool) -> Result<OsString, Failure> {
    let bin = profile.join("bin");
    if bin.join(program).exists() {
        return Ok(bin.join(program).into_os_string());
    }
    let mut names: Vec<OsString> =
        std::fs::read_dir(&bin).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    match names.as_slice() {
        [only] if !named => Ok(bin.join(only).into_os_string()),
        [] => Err(Failure::new("the package has no programs").code(exit_code::NOT_FOUND)),
        _ => {
            let list: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
            Err(Failure::new(format!("the package has no program `{program}`"))
                .hint(format!("choose one with `--program`: {}", list.join(", ")))
                .code(exit_code::NOT_FOUND))
        }
    }
}
