; kv-capacity: sign vectors that differ in k >= 1 of D places have product at most mu = 1 - 2/D
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const D Real)
(declare-const k Real)
(declare-const x Real)
(assert (>= D 1.0))
(assert (>= k 1.0))
(assert (= (* D x) (+ D (* (- 2.0) k))))
; the conclusion, negated
(assert (not (<= (+ 2.0 (* (- 1.0) D) (* D x)) 0.0)))
(check-sat)
