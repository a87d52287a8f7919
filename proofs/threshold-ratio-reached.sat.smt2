; twin of threshold-ratio-reached: a > m b is wrong where b divides a
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const a Real)
(declare-const b Real)
(declare-const m Real)
(declare-const q Real)
(assert (>= b 1.0))
(assert (>= a (* b q)))
(assert (<= m q))
; the witness
(assert (= a 0.0))
(assert (= b 1.0))
(assert (= m 0.0))
(assert (= q 0.0))
; the conclusion, negated
(assert (not (>= (+ a (* (- 1.0) b m)) 1.0)))
(check-sat)
(get-model)
