; twin of error-over-inputs: fair where the true share is p
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const p Real)
(declare-const q Real)
(declare-const r Real)
(assert (> q 0.0))
(assert (< q p))
(assert (< p 1.0))
(assert (>= r p))
(assert (<= r 1.0))
; the witness
(assert (= p (/ 1.0 2.0)))
(assert (= q (/ 1.0 8.0)))
(assert (= r (/ 1.0 2.0)))
; the conclusion, negated
(assert (not (<= (+ (* p (+ 1.0 (* (- 1.0) q)) (+ 1.0 (* (- 1.0) r))) (* q r (+ 1.0 (* (- 1.0) p)))) (* (/ 99.0 100.0) p (+ 1.0 (* (- 1.0) p))))))
(check-sat)
(get-model)
