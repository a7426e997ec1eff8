//! How the format looks, form by form.

use super::*;

/// Formats a text; what is right already is given as it is.
fn formatted(text: &str) -> String {
    format(FileId(0), text).unwrap()
}

#[track_caller]
fn is_right(text: &str) {
    assert_eq!(formatted(text), text);
}

#[test]
fn recipes_as_guix_writes_them_stay() {
    is_right(
        r##";;; Tools.

(define-module (gnu packages tools)
  #:use-module (guix packages)
  #:use-module ((guix licenses)
                #:select (gpl3+ expat
                          bsd-3))
  #:export (a
            b))

;; What it is.
(define-public tool
  (let ((commit "0123456")
        (revision "1"))
    (package
      (name "tool")
      (version (git-version "1.0" revision commit))
      (source
       (origin
         (method git-fetch)
         (uri (git-reference
               (url "https://example.org/tool")
               (commit commit)))
         (sha256
          (base32 "0000000000000000000000000000000000000000000000000000"))))
      (build-system gnu-build-system)
      (arguments
       (list #:tests? #f                ;they need the network
             #:configure-flags
             #~(list "--with-a"
                     (string-append "--with-b="
                                    #$(this-package-input "b")))
             #:phases
             #~(modify-phases %standard-phases
                 ;; First this.
                 (add-after 'unpack 'fix
                   (lambda* (#:key inputs #:allow-other-keys)
                     (substitute* "Makefile"
                       (("/usr" all)
                        (string-append all #$output))
                       (("cc") "gcc"))
                     (when (file-exists? "a")
                       (delete-file "a"))))
                 (delete 'check)
                 (replace 'install
                   (lambda _
                     (invoke "make" "install"))))))
      (inputs
       (modify-inputs (package-inputs other)
         (delete "a")
         (prepend b)))
      (native-inputs `(("pkg-config" ,pkg-config)
                       ("a" ,a "out")))
      (synopsis "A tool")
      (description
       "It is
a tool.")
      (license license:gpl3+))))
"##,
    );
}

#[test]
fn programs_as_schemers_write_them_stay() {
    is_right(
        r##"(define* (walk tree
               #:key (depth 0)
               #:allow-other-keys)
  "Walks."
  (let loop ((rest tree)
             (seen '()))
    (cond ((null? rest)
           (reverse seen))
          ((assq (car rest) seen)
           => cdr)
          (else
           (if (pair? rest)
               (loop (cdr rest)
                     (cons (car rest) seen))
               (values seen rest))))))

(define-syntax-rule (twice x)
  (begin
    x
    x))

(define-syntax swap
  (syntax-rules (<->)
    ((_ a <-> b)
     (let ((tmp a))
       (list b tmp)))))

(match value
  ((a b)
   (catch 'key
     (lambda ()
       (call-with-values
           (lambda () (values a b))
         list))
     (const #f)))
  ('(a . b) 1))

(do ((i 0 (+ i 1)))
    ((= i 3))
  (display i))
"##,
    );
}

#[test]
fn white_space_and_indentation_are_ours() {
    assert_eq!(
        formatted(
            "\n\n( define  (f x)\n\t(if x\n1 2\n)\n\n\n\n\n  ; why\n )\n\n\n\n\n\n(f  'a)(g)   ; tail  \n\n"
        ),
        "(define (f x)\n  (if x\n      1 2)\n\n  ; why\n  )\n\n\n(f 'a)\n(g)          ; tail\n"
    );
    assert_eq!(formatted("  "), "");
    assert_eq!(formatted("; only\n\n"), "; only\n");
    assert_eq!(formatted("(a . b)\r\n[c d]\r\n"), "(a . b)\n[c d]\n");
}

#[test]
fn fields_have_a_line_each() {
    assert_eq!(
        formatted(
            "(package (inherit a) (name \"b\")\n(inputs (list a (list b \"lib\") c\n d)) (version \"1\"))"
        ),
        "(package\n  (inherit a)\n  (name \"b\")\n  (inputs (list a\n                (list b \"lib\")\n                c\n                d))\n  (version \"1\"))\n"
    );
    is_right("(package (inherit a) (name \"b\"))\n");
    assert_eq!(
        formatted("(define-public a (package\n (name \"a\")))"),
        "(define-public a\n  (package\n    (name \"a\")))\n"
    );
}

#[test]
fn long_lines_are_broken_as_their_form_says() {
    let long = "x".repeat(40);
    assert_eq!(
        formatted(&format!("(f (g {long}) #:key {long} {long})")),
        format!("(f (g {long})\n   #:key {long}\n   {long})\n")
    );
    assert_eq!(
        formatted(&format!("(define (f) (when {long} (g {long}) (h {long})))")),
        format!("(define (f)\n  (when {long}\n    (g {long})\n    (h {long})))\n")
    );
    assert_eq!(
        formatted(&format!("'(\"{long}\" \"{long}\" \"{long}\" a)")),
        format!("'(\"{long}\" \"{long}\"\n  \"{long}\" a)\n")
    );
    assert_eq!(
        formatted(&format!("(a-name-of-some-length-{long} \"{long}\" {long})")),
        format!("(a-name-of-some-length-{long}\n \"{long}\"\n {long})\n")
    );
}

#[test]
fn tables_keep_their_rows() {
    let row = format!("(\"{}\" \"{}\" 1)", "a".repeat(64), "b".repeat(64));
    is_right(&format!("(define table\n  '({row}\n    {row}))\n"));
}

#[test]
fn comments_of_all_kinds_stay() {
    is_right(
        "#!/bin/sh\n!#\n;;; head\n\n#| block\n   as it is |#\n(list 1 ;one\n      #;(not this)\n      2     ; set off\n      ;; last\n      )\n\x0c\n(a '#| inside |# b)\n#!fold-case\n",
    );
    is_right("(list ;; of names\n      a\n      b)\n");
}

#[test]
fn what_cannot_be_read_is_refused() {
    assert!(matches!(format(FileId(0), "(a"), Err(FormatError::Unreadable(errors)) if errors.len() == 1));
}

#[test]
fn a_splice_does_not_come_from_nowhere() {
    is_right("`(a , @b ,@c)\n");
}
