; twin of float-forward: gamma_k itself does not cover k + 1 roundings
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const k Real)
(declare-const mu Real)
(assert (>= k 0.0))
(assert (>= mu 0.0))
(assert (< (* mu (+ 1.0 k)) 1.0))
; the witness
(assert (= k 1.0))
(assert (= mu (/ 1.0 4.0)))
; the conclusion, negated
(assert (not (<= (* (+ 1.0 mu) (+ 1.0 (* (- 1.0) k mu))) (+ 1.0 (* (- 1.0) k mu)))))
(check-sat)
(get-model)
