; bicubic-lebesgue: no weight is below 4a/27
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const a Real)
(declare-const t Real)
(assert (>= t 0.0))
(assert (<= t 1.0))
(assert (<= a 0.0))
; the conclusion, negated
(assert (not (>= (* a (+ 4.0 (* (+ 1.0 t) (+ 1.0 t) (+ 1.0 t)) (* (- 5.0) (* (+ 1.0 t) (+ 1.0 t))) (* 8.0 t))) (* (/ 4.0 27.0) a))))
(check-sat)
