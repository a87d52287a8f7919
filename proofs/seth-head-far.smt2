; seth-head: n keys of weight at most 1/(3n): the output is at most 1/4
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const R Real)
(declare-const n Real)
(declare-const w Real)
(assert (>= n 1.0))
(assert (>= w 0.0))
(assert (<= (* 3.0 n w) 1.0))
(assert (>= R 0.0))
(assert (<= R (* n w)))
; the conclusion, negated
(assert (not (<= R (+ (/ 1.0 4.0) (* (/ 1.0 4.0) R)))))
(check-sat)
