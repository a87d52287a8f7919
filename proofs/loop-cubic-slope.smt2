; loop-cubic: |1 - u^2| is at most the larger end value on [t, 1 + s]
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const s Real)
(declare-const t Real)
(declare-const u Real)
(assert (>= t 0.0))
(assert (<= t 1.0))
(assert (>= s 0.0))
(assert (>= u t))
(assert (<= u (+ 1.0 s)))
; the conclusion, negated
(assert (not (and (<= (+ (- 1.0) (* u u)) (ite (>= (+ 1.0 (* (- 1.0) (* t t))) (+ (- 1.0) (* (+ 1.0 s) (+ 1.0 s)))) (+ 1.0 (* (- 1.0) (* t t))) (+ (- 1.0) (* (+ 1.0 s) (+ 1.0 s))))) (<= (+ 1.0 (* (- 1.0) (* u u))) (ite (>= (+ 1.0 (* (- 1.0) (* t t))) (+ (- 1.0) (* (+ 1.0 s) (+ 1.0 s)))) (+ 1.0 (* (- 1.0) (* t t))) (+ (- 1.0) (* (+ 1.0 s) (+ 1.0 s))))))))
(check-sat)
