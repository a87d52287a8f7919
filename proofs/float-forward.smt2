; float-forward: one more rounding: (1 + gamma_k)(1 + mu) <= 1 + gamma_{k+1}
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const k Real)
(declare-const mu Real)
(assert (>= k 0.0))
(assert (>= mu 0.0))
(assert (< (* mu (+ 1.0 k)) 1.0))
; the conclusion, negated
(assert (not (<= (* (+ 1.0 mu) (+ 1.0 (* (- 1.0) mu (+ 1.0 k)))) (+ 1.0 (* (- 1.0) k mu)))))
(check-sat)
