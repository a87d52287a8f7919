; twin of threshold-ratio-beyond: 1 % more is false: a = (q + 1) b - 1, m = q + 1
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const a Real)
(declare-const b Real)
(declare-const m Real)
(declare-const q Real)
(assert (>= b 1.0))
(assert (<= a (+ (- 1.0) (* b (+ 1.0 q)))))
(assert (>= m (+ 1.0 q)))
; the witness
(assert (= a 0.0))
(assert (= b 1.0))
(assert (= m 1.0))
(assert (= q 0.0))
; the conclusion, negated
(assert (not (<= (+ a (* (- 1.0) b m)) (- (/ 101.0 100.0)))))
(check-sat)
(get-model)
