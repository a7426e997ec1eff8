//! Collections of recipes: where module sources come from.
