//! From values of the language to the derivation graph.
