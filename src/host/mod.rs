//! The evaluation side's host: module sources and the natives that know packages' world.
