//! What verbs share: starting an evaluation, and turning options into requests.

use std::path::PathBuf;

use super::options::{PackageOptions, RecipeOptions};
use crate::{
    channel::Channels,
    host::{Evaluation, Request},
    report::{Failure, color},
};

/// Starts an evaluation over the bundled channels and those of the options.
pub fn evaluation(recipes: &RecipeOptions) -> Result<Evaluation, Failure> {
    let channels = Channels::new(recipes.directories())?;
    Ok(Evaluation::new(channels, PathBuf::from("."), color()))
}

/// Returns what the options ask for.
pub fn request(options: &PackageOptions) -> Result<Request, Failure> {
    let request = Request {
        files: options.manifest.iter().chain(&options.file).cloned().collect(),
        expressions: options.expression.clone(),
        specifications: options.packages.clone(),
        transformations: options.transformations.pairs(),
        development: false,
    };
    if request.files.is_empty() && request.expressions.is_empty() && request.specifications.is_empty() {
        return Err(Failure::new("no packages are named")
            .hint("name packages, as in `hello` or `openmpi@4.1`, or give a manifest with `-m FILE`")
            .code(crate::report::exit_code::USAGE));
    }
    Ok(request)
}
