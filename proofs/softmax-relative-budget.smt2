; softmax-relative: eps = 2 tau/(1+tau^2) spends exactly tau: eps/(1+sqrt(1-eps^2)) <= tau
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const eps Real)
(declare-const k Real)
(declare-const m Real)
(assert (> m 0.0))
(assert (< m 1.0))
(assert (= (* eps (+ 1.0 (* m m))) (* 2.0 m)))
(assert (>= k 0.0))
(assert (= (* k k) (+ 1.0 (* (- 1.0) (* eps eps)))))
; the conclusion, negated
(assert (not (<= eps (* m (+ 1.0 k)))))
(check-sat)
