;;; Runs the portable programs of okay/ through Guile, which knows nothing of this language's implementation, and compares
;;; what they print with the expectation beside them. A program that says `;; only: hpcl` or `;; side: builder` in its first
;;; line, or brings modules of its own, is left out.
;;;
;;; usage: guile --no-auto-compile -s oracle.scm [--write] FILE …
;;; `--write` writes the expectation of a program that has none yet.

(use-modules (srfi srfi-1) (ice-9 textual-ports) (ice-9 format))

(define (portable? text)
  (not (or (string-prefix? ";; only: hpcl" text)
           (string-prefix? ";; side: builder" text)
           (string-contains text "\n;;; module "))))

(define (fresh-module)
  (let ((module (make-fresh-user-module)))
    (for-each (lambda (name) (module-use! module (resolve-interface name)))
              '((srfi srfi-1) (srfi srfi-2) (srfi srfi-8) (srfi srfi-9) (srfi srfi-11) (srfi srfi-26)
                (srfi srfi-34) (srfi srfi-35) (ice-9 match) (ice-9 regex) (ice-9 format) (ice-9 receive)
                (ice-9 optargs) (ice-9 vlist) (rnrs bytevectors)))
    (module-use! module
                 (resolve-interface '(scheme base)
                                    #:select '(exact inexact square vector-map vector-for-each vector-append vector->list
                                               vector-copy vector->string string->vector bytevector bytevector-append
                                               bytevector-copy boolean=? symbol=? exact-integer?)))
    (module-use! module (resolve-interface '(scheme lazy) #:select '(delay-force make-promise)))
    (module-use! module (resolve-interface '(scheme char) #:select '(digit-value char-foldcase string-foldcase)))
    (module-define! module 'print
                    (lambda words
                      (unless (null? words)
                        (write (car words))
                        (for-each (lambda (word) (display " ") (write word)) (cdr words)))
                      (newline)))
    module))

(define (outcome text)
  (with-output-to-string
    (lambda ()
      (catch #t
        (lambda ()
          (let ((module (fresh-module)) (port (open-input-string text)))
            (save-module-excursion
             (lambda ()
               (set-current-module module)
               (let loop ((last *unspecified*))
                 (let ((form (read port)))
                   (cond ((not (eof-object? form)) (loop (eval form (current-module))))
                         ((unspecified? last) #t)
                         (else (write last) (newline)))))))))
        (lambda (key . arguments)
          (format #t "ERROR: ~s ~s~%" key arguments))))))

(define (contents file) (call-with-input-file file get-string-all #:encoding "UTF-8"))

(define (check file write?)
  "Compare FILE with its expectation; return whether they agree, or 'left-out."
  (let ((text (contents file))
        (expectation (string-append (string-drop-right file 5) ".out")))
    (if (not (portable? text))
        'left-out
        (let ((actual (outcome text)))
          (when (and write? (not (file-exists? expectation)))
            (call-with-output-file expectation (lambda (port) (display actual port)) #:encoding "UTF-8"))
          (let ((expected (contents expectation)))
            (or (string=? actual expected)
                (begin
                  (format #t "--- ~a: expected~%~a--- Guile says~%~a" file expected actual)
                  #f)))))))

(setlocale LC_ALL "C.UTF-8")
(set-port-encoding! (current-output-port) "UTF-8")
(fluid-set! %default-port-encoding "UTF-8")
(let* ((arguments (cdr (command-line)))
       (write? (member "--write" arguments))
       (results (map (lambda (file) (check file write?)) (delete "--write" arguments))))
  (format #t "~a agree, ~a differ, ~a left out~%"
          (count (lambda (x) (eq? x #t)) results) (count not results)
          (count (lambda (x) (eq? x 'left-out)) results))
  (exit (every identity results)))
