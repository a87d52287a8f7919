; twin of loop-stages-softmax: attained at m = (1 - 1/sqrt 3)/2
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const m Real)
(assert (>= m 0.0))
(assert (<= m 1.0))
; the witness
(assert (= m (/ 21.0 100.0)))
; the conclusion, negated
(assert (not (<= (* 108.0 (* m m) (* (+ 1.0 (* (- 1.0) m)) (+ 1.0 (* (- 1.0) m))) (* (+ 1.0 (* (- 2.0) m)) (+ 1.0 (* (- 2.0) m)))) (/ 99.0 100.0))))
(check-sat)
(get-model)
