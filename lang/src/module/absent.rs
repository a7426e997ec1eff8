//! Names that Guile has and this language cannot have, and why: what is said when a recipe uses one.
//!
//! Each group has a reason and what to do instead. Names that exist on the other side are told apart before.

/// A group of names.
struct Group {
    /// What is said of them; the name stands before it.
    why: &'static str,
    names: &'static [&'static str],
}

#[rustfmt::skip]
const GROUPS: &[Group] = &[
    Group {
        why: "lists, vectors and strings never change, here or in builds: make a new one from the old one",
        names: &[
            "set-car!", "set-cdr!", "list-set!", "list-fill!", "list-cdr-set!", "string-set!", "string-fill!", "string-copy!",
            "string-map!", "string-xcopy!", "string-upcase!", "string-downcase!", "string-titlecase!", "string-capitalize!",
            "string-reverse!", "substring-fill!", "substring-move!", "vector-set!", "vector-fill!", "vector-copy!", "vector-map!",
            "vector-swap!", "vector-reverse!", "vector-move-left!", "vector-move-right!", "bytevector-u8-set!",
            "bytevector-s8-set!", "bytevector-fill!", "bytevector-copy!",
        ],
    },
    Group {
        why: "a list that leads back to itself would have to be changed after it was made; `iota`, `make-list` or a named `let` \
              give as many elements as are needed",
        names: &["circular-list", "circular-list?"],
    },
    Group {
        why: "macros are hygienic: write `(define-syntax-rule (name argument …) template)`, or \
              `(define-syntax name (lambda (form) (syntax-case form () …)))` with `datum->syntax` for a name of the user's",
        names: &["define-macro", "defmacro", "defmacro-public", "defmacro*", "defmacro*-public", "macroexpand", "gensym", "make-symbol"],
    },
    Group {
        why: "programs are not evaluated by programs: write a macro, or name the module with `@` or `module-ref`",
        names: &[
            "eval", "eval-string", "primitive-eval", "compile", "load", "primitive-load", "primitive-load-path", "load-from-path",
            "interaction-environment", "current-module", "set-current-module", "module-define!", "module-set!", "module-use!",
            "module-variable", "module-map", "module-for-each", "module-uses", "module-public-interface", "variable-ref",
            "variable-set!", "make-variable", "define-module*", "try-load-module", "reload-module", "save-module-excursion",
        ],
    },
    Group {
        why: "continuations serve to leave a call: `call/ec` and `let/ec` do that",
        names: &[
            "call-with-prompt", "abort-to-prompt", "abort-to-prompt*", "make-prompt-tag", "default-prompt-tag", "shift", "reset",
            "shift*", "reset*", "with-continuation-barrier",
        ],
    },
    Group {
        why: "state that changes is kept in parameters: `make-parameter` and `parameterize`",
        names: &[
            "make-fluid", "make-unbound-fluid", "make-thread-local-fluid", "fluid-ref", "fluid-set!", "fluid?", "with-fluid*",
            "make-object-property", "set-object-property!", "object-property", "set-procedure-property!", "make-hook", "add-hook!",
            "run-hook", "make-guardian", "make-weak-key-hash-table", "make-weak-value-hash-table", "make-doubly-weak-hash-table",
        ],
    },
    Group {
        why: "what a recipe means must not depend on the time, on chance or on the machine that evaluates it",
        names: &[
            "current-time", "gettimeofday", "localtime", "gmtime", "mktime", "strftime", "strptime", "times", "tms:clock",
            "get-internal-real-time", "get-internal-run-time", "random", "random:uniform", "random:normal", "random:exp",
            "random-state-from-platform", "seed->random-state", "gethostname", "uname", "utsname:machine", "utsname:sysname",
            "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getlogin", "getpw", "getpwnam", "getpwuid", "getgrnam",
            "getgrgid", "program-arguments", "command-line", "isatty?", "ttyname", "getrlimit",
        ],
    },
    Group {
        why: "recipes read no files of their own: a file of a channel is named with `local-file`, `search-patch` or \
              `search-auxiliary-file`, and is an input of the build",
        names: &[
            "open-file", "open-input-file", "open-output-file", "with-input-from-file", "stat", "lstat", "stat:size", "stat:mode",
            "stat:mtime", "opendir", "readdir", "closedir", "readlink", "symlink", "link", "mkdir", "rmdir", "rename-file",
            "delete-file", "copy-file", "chmod", "chown", "utime", "umask", "mkstemp", "mkstemp!", "mkdtemp", "tmpfile", "tmpnam",
            "canonicalize-path", "access?", "file-exists?", "file-is-directory?", "truncate-file", "fsync", "flock", "fcntl",
        ],
    },
    Group {
        why: "evaluation prints nothing: the value of the last expression is shown, and `,time` or `,expand` at `hpcl repl` tell more",
        names: &["pk", "peek", "pretty-print", "truncated-print", "warn", "display-error", "display-backtrace", "backtrace"],
    },
    Group {
        why: "processes are for builds: use `invoke` or `system*` in staged code (`#~`)",
        names: &[
            "primitive-fork", "execl", "execle", "execlp", "waitpid", "kill", "sigaction", "alarm", "pause", "sleep", "usleep",
            "setitimer", "getitimer", "nice", "pipe", "open-process", "open-pipe", "open-pipe*", "open-input-pipe",
            "open-output-pipe", "close-pipe", "call-with-new-thread", "make-mutex", "make-condition-variable", "join-thread",
        ],
    },
    Group {
        why: "neither recipes nor builds reach the network: only an `origin` is fetched, and it has a hash",
        names: &[
            "socket", "connect", "bind", "listen", "accept", "send", "recv!", "sendto", "recvfrom!", "shutdown", "getaddrinfo",
            "gethostbyname", "gethost", "inet-pton", "inet-ntop", "make-socket-address", "http-get", "http-request", "open-socket-for-uri",
        ],
    },
    Group {
        why: "foreign code and the inside of Guile are not there",
        names: &[
            "dynamic-link", "dynamic-func", "dynamic-call", "load-extension", "foreign-library-function", "pointer->procedure",
            "make-struct/no-tail", "make-struct/simple", "make-vtable", "struct-ref", "struct-set!", "make-record-type",
            "record-accessor", "record-constructor", "record-predicate", "record-modifier", "make-stack", "stack-ref", "gc",
        ],
    },
    Group {
        why: "there are lists, vectors and bytevectors, but no arrays and no bitvectors",
        names: &[
            "make-array", "array-ref", "array-set!", "list->array", "array->list", "make-typed-array", "list->typed-array",
            "make-shared-array", "array-map!", "array-for-each", "make-bitvector", "bitvector", "bitvector-ref", "bitvector-set!",
            "list->bitvector",
        ],
    },
    Group {
        why: "its last digits depend on the machine, and derivations must not; calculate inside of the build, or write the number",
        names: &[
            "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "exp", "log", "log10",
        ],
    },
];

/// Returns why a name of Guile is not there, and what to do instead.
pub(super) fn why(name: &str) -> Option<&'static str> {
    GROUPS.iter().find(|group| group.names.contains(&name)).map(|group| group.why)
}

#[cfg(test)]
mod tests {
    use super::GROUPS;

    #[test]
    fn no_name_stands_in_two_groups() {
        let mut names: Vec<_> = GROUPS.iter().flat_map(|group| group.names).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
