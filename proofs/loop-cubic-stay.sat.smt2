; twin of loop-cubic-stay: 1 % more is false at u = t = 4/5, s = 18/125
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const s Real)
(declare-const t Real)
(declare-const u Real)
(assert (>= t 0.0))
(assert (<= t 1.0))
(assert (>= s 0.0))
(assert (>= u t))
(assert (<= u (+ 1.0 s)))
(assert (>= (* 3.0 (* t t)) 1.0))
(assert (>= (+ (* (/ 1.0 2.0) t) (* (- (/ 1.0 2.0)) (* t t t))) s))
; the witness
(assert (= s (/ 18.0 125.0)))
(assert (= t (/ 4.0 5.0)))
(assert (= u (/ 4.0 5.0)))
; the conclusion, negated
(assert (not (>= (+ (* (- (/ 1.0 2.0)) (* u u u)) (* (/ 3.0 2.0) u)) (+ (* (/ 101.0 100.0) s) (* (/ 101.0 100.0) t)))))
(check-sat)
(get-model)
