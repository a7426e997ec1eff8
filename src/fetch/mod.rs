//! Downloads fixed outputs: mirrors, resume, checked while streaming.
