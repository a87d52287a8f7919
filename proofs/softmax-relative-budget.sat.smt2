; twin of softmax-relative-budget: none is left over: tau = 1/3, eps = 3/5
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const eps Real)
(declare-const k Real)
(declare-const m Real)
(assert (> m 0.0))
(assert (< m 1.0))
(assert (= (* eps (+ 1.0 (* m m))) (* 2.0 m)))
(assert (>= k 0.0))
(assert (= (* k k) (+ 1.0 (* (- 1.0) (* eps eps)))))
; the witness
(assert (= eps (/ 3.0 5.0)))
(assert (= k (/ 4.0 5.0)))
(assert (= m (/ 1.0 3.0)))
; the conclusion, negated
(assert (not (<= eps (* (/ 99.0 100.0) m (+ 1.0 k)))))
(check-sat)
(get-model)
