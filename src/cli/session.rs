//! What verbs share: starting an evaluation, and turning options into requests.

use std::{collections::BTreeMap, io::Write, path::PathBuf};

use super::{
    channels,
    options::{PackageOptions, RecipeOptions},
};
use crate::{
    channel::{Channels, lock::Lock},
    fetch::{FetchError, Settings},
    graph::NodeId,
    host::{Evaluated, Evaluation, Request},
    report::{Failure, color, indexing, warning},
};

/// Returns the channels of the options, then those that were pulled, then the bundled ones.
pub fn channels(recipes: &RecipeOptions) -> Result<Channels, Failure> {
    let instances = match &recipes.locked {
        Some(path) => Lock::read(path)?.channels,
        None => channels::in_use()?,
    };
    channels::sources(recipes.directories(), &instances)
}

/// Returns which packages provide interfaces by the user's settings.
pub fn providers() -> Result<BTreeMap<String, String>, Failure> {
    Ok(Settings::load().map_err(FetchError::from)?.providers)
}

/// Starts an evaluation over the channels in use and those of the options.
pub fn evaluation(recipes: &RecipeOptions) -> Result<Evaluation, Failure> {
    let channels = channels(recipes)?;
    let mut evaluation = Evaluation::new(channels, PathBuf::from("."), color());
    if let Some(path) = &recipes.locked {
        evaluation.require(Lock::read(path)?);
    }
    evaluation.prefer(providers()?);
    if let Some(progress) = indexing() {
        evaluation.tell_progress(progress);
    }
    evaluation.tell_fetches(Box::new(|text| {
        let _ = writeln!(anstream::stderr(), "{text}");
    }));
    evaluation.tell_warnings(warning);
    Ok(evaluation)
}

/// Returns what the options ask for.
pub fn request(options: &PackageOptions) -> Result<Request, Failure> {
    let request = Request {
        files: options.manifest.iter().chain(&options.file).cloned().collect(),
        expressions: options.expression.clone(),
        specifications: options.packages.clone(),
        transformations: options.transformations.pairs(),
        development: false,
        no_grafts: options.transformations.no_grafts,
    };
    if request.files.is_empty() && request.expressions.is_empty() && request.specifications.is_empty() {
        return Err(Failure::new("no packages are named")
            .hint("name packages, as in `hello` or `openmpi@4.1`, or give a manifest with `-m FILE`")
            .code(crate::report::exit_code::USAGE));
    }
    Ok(request)
}

/// Evaluates what the options ask for: the graph, and the outputs of it that are wanted.
pub fn wanted(options: &PackageOptions) -> Result<(Evaluated, Vec<(NodeId, String)>), Failure> {
    wanted_with(options, options.transformations.pairs())
}

/// As [`wanted`], with other transformations.
pub fn wanted_with(
    options: &PackageOptions,
    transformations: Vec<(&'static str, String)>,
) -> Result<(Evaluated, Vec<(NodeId, String)>), Failure> {
    let request = Request { transformations, ..request(options)? };
    let mut evaluation = evaluation(&options.recipes)?;
    let entries = evaluation.entries(&request)?;
    // A manifest is one result, its profile; packages are results of their own.
    let wanted = if options.manifest.is_empty() {
        let rows = evaluation.derivations(&entries)?;
        rows.into_iter().map(|entry| (entry.node, entry.output)).collect()
    } else {
        vec![(evaluation.profile(&entries)?, "out".to_owned())]
    };
    Ok((evaluation.finish()?, wanted))
}
