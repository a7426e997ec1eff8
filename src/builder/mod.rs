//! The builder side: runs staged code inside the sandbox (implements `lang::Host` for builds).
