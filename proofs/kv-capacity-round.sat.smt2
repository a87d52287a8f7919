; twin of kv-capacity-round: 1 % less is false just below the limit
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const a Real)
(declare-const e Real)
(declare-const q Real)
(assert (>= q 1.0))
(assert (<= (* 4.0 a q) 1.0))
(assert (< (* 4.0 e q) 1.0))
; the witness
(assert (= a (/ 1.0 4.0)))
(assert (= e (/ 2499.0 10000.0)))
(assert (= q 1.0))
; the conclusion, negated
(assert (not (< (* 2.0 q (+ a e)) (/ 99.0 100.0))))
(check-sat)
(get-model)
