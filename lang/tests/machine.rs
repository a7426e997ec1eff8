//! The machine on small programs: the value of each as it is written.

use hpcl_lang::{
    Interpreter,
    host::{EmptyHost, Host, ModuleName, ModuleSource},
    native::Side,
    print::write,
    render::render,
};

fn run_on(side: Side, text: &str) -> String {
    let mut interpreter = Interpreter::new(side, Box::new(EmptyHost));
    match interpreter.run_program("test.hpcl", text) {
        Ok(value) => write(&value),
        Err(diagnostics) => render(&diagnostics, interpreter.sources(), false),
    }
}

fn run(text: &str) -> String {
    run_on(Side::Evaluation, text)
}

fn build(text: &str) -> String {
    run_on(Side::Builder, text)
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(run(text), expected, "{text}");
}

#[test]
fn constants_and_calls() {
    check("42", "42");
    check("(+ 1 2)", "3");
    check("((lambda (x y) (list y x)) 1 2)", "(2 1)");
    check("(let ((x 1) (y 2)) (let ((x y) (y x)) (list x y)))", "(2 1)");
    check("(let* ((x 1) (y (+ x 1))) (* x y))", "2");
    check("(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (fib 20)", "6765");
    check("(define x 1) (define (f) (+ x y)) (define y 2) (f)", "3");
}

#[test]
fn procedures_capture_what_they_need() {
    check("(define (adder n) (lambda (x) (+ x n))) ((adder 3) 4)", "7");
    check("(let loop ((i 0) (acc '())) (if (= i 3) acc (loop (+ i 1) (cons (lambda () i) acc))))
           (map (lambda (f) (f)) (let loop ((i 0) (acc '())) (if (= i 3) acc (loop (+ i 1) (cons (lambda () i) acc)))))", "(2 1 0)");
    check(
        "(define (count n) (letrec ((even? (lambda (n) (if (= n 0) #t (odd? (- n 1)))))
                                      (odd? (lambda (n) (if (= n 0) #f (even? (- n 1))))))
                               (list (even? n) (map even? '(1 2)))))
           (count 100001)",
        "(#f (#f #t))",
    );
    check(
        "(define (f x) (define a 1) (define (g y) (+ y a x)) (define b (g 10)) (list a b (g 1))) (f 5)",
        "(1 16 7)",
    );
    check("(let loop ((i 0)) (if (< i 1000000) (loop (+ i 1)) i))", "1000000");
    check("(define (deep n) (if (= n 0) 0 (+ 1 (deep (- n 1))))) (deep 1000000)", "1000000");
    check("(define (f g n) (if (= n 0) (g) (f (lambda () (+ 1 (g))) (- n 1)))) (f (lambda () 0) 100)", "100");
}

#[test]
fn keyword_and_optional_arguments() {
    check(
        "(define* (f a #:optional (b (+ a 1)) #:key (c (* b 2)) d) (list a b c d)) (list (f 1) (f 1 5) (f 1 5 #:d 4) (f 1 #:c 9))",
        "((1 2 4 #f) (1 5 10 #f) (1 5 10 4) (1 2 9 #f))",
    );
    check("((lambda* (a . r) (list a r)) 1 2 3)", "(1 (2 3))");
    check(
        "((case-lambda ((a) (list 'one a)) ((a b) (list 'two a b)) ((a . r) (list 'more a r))) 1 2 3)",
        "(more 1 (2 3))",
    );
}

#[test]
fn quasiquotation() {
    check("`(1 ,(+ 1 1) ,@(list 3 4) 5)", "(1 2 3 4 5)");
    check("`(a . ,(+ 1 2))", "(a . 3)");
    check("`(1 `(2 ,(3 ,(+ 1 3))))", "(1 `(2 ,(3 4)))");
    check("`#(1 ,(+ 1 1))", "#(1 2)");
    check("`(,@'() . x)", "x");
}

#[test]
fn macros_are_hygienic() {
    check(
        "(define-syntax swap! (syntax-rules () ((_ a b) (let ((tmp a)) (list b tmp)))))
           (let ((tmp 1) (other 2)) (swap! tmp other))",
        "(2 1)",
    );
    check("(define-syntax my-or (syntax-rules () ((_) #f) ((_ e) e) ((_ e r ...) (let ((t e)) (if t t (my-or r ...))))))
           (let ((t 5)) (my-or #f t))", "5");
    check("(define-syntax-rule (unless2 c e) (if c #f e)) (let ((if list)) (unless2 #f 3))", "3");
    check("(define-syntax my-let* (syntax-rules () ((_ () b ...) (let () b ...)) ((_ ((n v) rest ...) b ...) (let ((n v)) (my-let* (rest ...) b ...)))))
           (my-let* ((a 1) (b (+ a 1))) (list a b))", "(1 2)");
    check(
        "(define-syntax flat (syntax-rules () ((_ (a b ...) ...) '((a ...) (b ... ...))))) (flat (1 2 3) (4) (5 6))",
        "((1 4 5) (2 3 6))",
    );
    check("(define-syntax be-like-begin (syntax-rules () ((_ name) (define-syntax name (syntax-rules () ((_ expr (... ...)) (begin expr (... ...))))))))
           (be-like-begin sequence) (sequence 1 2 3)", "3");
    check("(let ((x 'outer)) (let-syntax ((m (syntax-rules () ((m) x)))) (let ((x 'inner)) (m))))", "outer");
    check("(define-syntax tail (syntax-rules () ((_ a ... z) 'z))) (tail 1 2 3)", "3");
    check("(define-syntax pk (identifier-syntax (list 1 2))) (cons pk 3)", "((1 2) . 3)");
    check(
        "(define-syntax cnd (syntax-rules (else) ((_ (else e)) e) ((_ (a b)) 'no))) (list (cnd (else 1)) (let ((else 2)) (cnd (else 1))))",
        "(1 no)",
    );
    check(
        "(define-syntax def (syntax-rules () ((_ n v) (begin (define tmp v) (define n (list tmp)))))) (def a 1) (def b 2) (list a b)",
        "((1) (2))",
    );
}

#[test]
fn forms_of_choice() {
    check("(cond ((assv 2 '((1 . a) (2 . b))) => cdr) (else 'none))", "b");
    check("(case 3 ((1 2) 'low) ((3 4) 'mid) (else 'high))", "mid");
    check("(list (and) (or) (and 1 2) (or #f 3) (unless #f 1 2))", "(#t #f 2 3 2)");
    check("(do ((i 0 (+ i 1)) (acc '() (cons i acc))) ((= i 3) acc))", "(2 1 0)");
    check("(let-values (((a b) (values 1 2)) ((c . d) (values 3 4 5))) (list a b c d))", "(1 2 3 (4 5))");
    check("(receive (a . rest) (values 1 2 3) (list a rest))", "(1 (2 3))");
    check("(and-let* ((x 1) ((> x 0)) (y (+ x 1))) y)", "2");
    check("(call-with-values (lambda () (values 1 2)) +)", "3");
    check("(define-values (a b . c) (values 1 2 3 4)) (list a b c)", "(1 2 (3 4))");
    check("((cut list 1 <> 3 <...>) 2 4 5)", "(1 2 3 4 5)");
}

#[test]
fn matching() {
    check("(match '(1 2 3) ((a b) 'two) ((a b c) (list c b a)))", "(3 2 1)");
    check("(match '((a 1) (b 2)) (((k v) ...) (list k v)))", "((a b) (1 2))");
    check("(match '(add 1 (mul 2 3)) (`(add ,x (mul ,y ,z)) (list x y z)))", "(1 2 3)");
    check("(match 5 ((? string? s) s) ((and n (? number?) (not 4)) (list 'n n)))", "(n 5)");
    check("(match '(1 2 3 4) ((a ... z) (list a z)))", "((1 2 3) 4)");
    check("(match '(x . 3) (((or 'x 'y) . n) n))", "3");
    check("(match '(1 1) ((a a) 'same) (_ 'different))", "same");
    check("(match-let (((a b) '(1 2)) ((c) '(3))) (list a b c))", "(1 2 3)");
    check("((match-lambda ((\"x\" v) v) (#(a b) b)) #(1 2))", "2");
    check("(match '(1 2) ((a b) (=> next) (if (= a 1) (next) 'no)) (_ 'yes))", "yes");
    check(
        "(map (match-lambda ((name version) (cons name version)) ((name) name)) '((a 1) (b)))",
        "((a . 1) b)",
    );
}

#[test]
fn delays_parameters_and_handlers() {
    check("(define p (delay (+ 1 2))) (list (force p) (force p) (force 5))", "(3 3 5)");
    check(
        "(define x (make-parameter 1)) (define (f) (x)) (list (f) (parameterize ((x 2)) (f)) (f))",
        "(1 2 1)",
    );
    check(
        "(define x (make-parameter 1 (lambda (v) (* v 10)))) (list (x) (parameterize ((x 2)) (x)))",
        "(10 20)",
    );
    check("(guard (e (#t (list 'caught e))) (raise 'oops))", "(caught oops)");
    check("(guard (e ((string? e) 'string) ((symbol? e) 'symbol)) (+ 1 (raise 'boom)))", "symbol");
    check("(guard (e (#t (exception-message e))) (error \"bad thing:\" 1 2))", "\"bad thing:\"");
    check(
        "(catch 'my-key (lambda () (throw 'my-key 1 2)) (lambda (key . args) (list key args)))",
        "(my-key (1 2))",
    );
    check("(catch #t (lambda () (car 5)) (lambda (key . args) key))", "wrong-type-arg");
    check("(with-exception-handler (lambda (e) 10) (lambda () (+ 1 (raise-continuable 'c))))", "11");
    check("(call/ec (lambda (k) (+ 1 (k 42))))", "42");
    check("(let/ec return (for-each (lambda (x) (when (= x 2) (return x))) '(1 2 3)) 'none)", "2");
    check("(false-if-exception (car 1))", "#f");
}

#[test]
fn dynamic_wind_and_mutation_on_the_builder_side() {
    let text = "(define log '())
                (define (note x) (set! log (cons x log)))
                (guard (e (#t (note e)))
                  (dynamic-wind (lambda () (note 'in)) (lambda () (raise 'out-by-raise)) (lambda () (note 'out))))
                (reverse log)";
    assert_eq!(build(text), "(in out out-by-raise)");
    assert_eq!(
        build(
            "(define (counter) (let ((n 0)) (lambda () (set! n (+ n 1)) n))) (define c (counter)) (c) (c) (c)"
        ),
        "3"
    );
    assert_eq!(
        build(
            "(let ((i 0) (acc '())) (while (< i 5) (set! i (+ i 1)) (when (= i 3) (continue)) (set! acc (cons i acc))) acc)"
        ),
        "(5 4 2 1)"
    );
    assert!(run("(define x 1) (set! x 2)").contains("E0305"));
}

#[test]
fn records() {
    check(
        "(define-record-type point (make-point x y) point? (x point-x) (y point-y)) (define p (make-point 1 2)) (list (point? p) (point? 1) (point-x p) (map point-y (list p)))",
        "(#t #f 1 (2))",
    );
    check("(define-record-type* <thing> thing make-thing thing? this-thing
             (name thing-name)
             (version thing-version (default \"0\"))
             (label thing-label (thunked) (default (string-append (thing-name this-thing) \"!\")))
             (secret thing-secret (default #f) (innate))
             (slow thing-slow (delayed) (default (+ 1 1))))
           (define a (thing (name \"a\") (version \"1\") (label (string-append version (thing-name this-thing))) (secret 5)))
           (define b (thing (inherit a) (name \"b\")))
           (define c (thing (name \"c\")))
           (list (thing-label a) (thing-label b) (thing-label c) (thing-secret b) (thing-slow c) (thing-version b))",
          "(\"1a\" \"1b\" \"c!\" #f 2 \"1\")");
}

#[test]
fn wrong_records_say_what_is_right() {
    let header = "(define-record-type* <thing> thing make-thing thing? (name thing-name (type string? \"a string\")) (version thing-version))";
    let unknown = run(&format!("{header} (thing (nmae \"a\") (version 1))"));
    assert!(
        unknown.contains("`thing` has no field `nmae`") && unknown.contains("did you mean `name`?"),
        "{unknown}"
    );
    let missing = run(&format!("{header} (thing (name \"a\"))"));
    assert!(missing.contains("`thing` lacks the field `version`"), "{missing}");
    let twice = run(&format!("{header} (thing (name \"a\") (name \"b\") (version 1))"));
    assert!(twice.contains("given twice"), "{twice}");
    let wrong = run(&format!("{header} (thing (name 5) (version 1))"));
    assert!(wrong.contains("the field `name` of `thing` must be a string, not a number (`5`)"), "{wrong}");
}

#[test]
fn staged_code() {
    check(
        "(define x 5) #~(begin (invoke #$x) #$output #~(nested #$deep) #$@(list 1 2))",
        "#~(begin (invoke #$5) #$output #~(nested #$deep) #$@(1 2))",
    );
}

#[test]
fn cycles_of_values_are_reported() {
    let text = run("(define a (+ b 1)) (define b (+ c 1)) (define c (+ a 1)) a");
    assert!(text.contains("E0404") && text.contains("`a` → `b` → `c` → `a`"), "{text}");
    let memo = run("(define f (mlambda (n) (f n))) (f 1)");
    assert!(memo.contains("E0411"), "{memo}");
    check("(define f (mlambda (n) (if (< n 2) n (+ (f (- n 1)) (f (- n 2)))))) (f 80)", "23416728348467685");
}

#[test]
fn endless_recursion_is_a_diagnostic() {
    let text = run("(define (f n) (+ 1 (f n))) (f 1)");
    assert!(text.contains("E0451"), "{text}");
}

#[test]
fn unbound_names_have_a_hint() {
    let text = run("(define (f) (string-apend \"a\" \"b\")) (f)");
    assert!(
        text.contains("`string-apend` is not bound") && text.contains("did you mean `string-append`?"),
        "{text}"
    );
    let arity = run("(define (f x) x) (f 1 2)");
    assert!(arity.contains("`f` takes 1 argument, but 2 were given"), "{arity}");
}

struct Modules;

impl Host for Modules {
    fn module_source(&mut self, name: &ModuleName) -> Result<Option<ModuleSource>, String> {
        let text = match name.to_string().as_str() {
            "(a)" => "(define-module (a) #:use-module (b) #:export (from-a (hidden . shown)))
                      (define from-a (list 'a from-b)) (define hidden 'h) (define-public late (lambda () twice-b))",
            "(b)" => "(define-module (b) #:use-module (a))
                      (define-public from-b 'b) (define-public twice-b (list from-a from-a))
                      (define-syntax-rule (my-if c a b) (cond (c a) (else b))) (export my-if)
                      (define broken (car '())) (define-syntax-rule (define-two x y v) (begin (define-public x v) (define-public y v)))
                      (define-two one two 7)",
            "(hpcl lib)" => "(define-module (hpcl lib)) (define-public lib 'lib)",
            _ => return Ok(None),
        };
        Ok(Some(ModuleSource { file: format!("{}.hpcl", name.path()).into(), text: text.into() }))
    }

    fn exporters(&mut self, name: &str) -> Vec<ModuleName> {
        if name == "shown" { ModuleName::parse("(a)").into_iter().collect() } else { Vec::new() }
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

#[test]
fn modules_may_import_each_other() {
    let run = |text: &str| {
        let mut interpreter = Interpreter::new(Side::Evaluation, Box::new(Modules));
        match interpreter.run_program("test.hpcl", text) {
            Ok(value) => write(&value),
            Err(diagnostics) => render(&diagnostics, interpreter.sources(), false),
        }
    };
    assert_eq!(run("(use-modules (a)) (list from-a (late))"), "((a b) ((a b) (a b)))");
    assert_eq!(run("(use-modules ((b) #:prefix b:)) (b:my-if #f 1 b:one)"), "7");
    assert_eq!(run("(use-modules ((b) #:select (two (my-if . yours)))) (yours #t two 1)"), "7");
    assert_eq!(
        run("(use-modules (srfi srfi-1) (ice-9 match) (guix lib)) (list (fold + 0 '(1 2)) lib)"),
        "(3 lib)"
    );
    assert_eq!(run("(@ (a) shown)"), "h");
    assert_eq!(run("(module-ref (resolve-interface '(b)) 'from-b)"), "b");
    let missing = run("(use-modules (srfi srfi-1) (hpcl lob)) 1");
    assert!(missing.contains("there is no module `(hpcl lob)`"), "{missing}");
    let hint = run("(use-modules (b)) (define (f) (list from-b shown lib)) (f)");
    assert!(hint.contains("`shown` is exported by `(a)`"), "{hint}");
    let trace = run("(@@ (b) broken)");
    assert!(trace.contains("in the definition of `broken`"), "{trace}");
}
