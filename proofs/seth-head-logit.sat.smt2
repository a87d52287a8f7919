; twin of seth-head-logit: 1 % less is false: one bit beyond t
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const h Real)
(declare-const l Real)
(declare-const m Real)
(declare-const rate Real)
(declare-const t Real)
(declare-const t2 Real)
(assert (> t2 t))
(assert (= (* 2.0 rate (+ t2 (* (- 1.0) t))) l))
; the witness
(assert (= h 1.0))
(assert (= l 2.0))
(assert (= m 2.0))
(assert (= rate 1.0))
(assert (= t 0.0))
(assert (= t2 1.0))
; the conclusion, negated
(assert (not (= (* (+ t2 (* (- 1.0) t)) (+ (* rate (+ m (* (- 2.0) h))) (* (- 1.0) rate (+ m (* (- 2.0) t))))) (* (/ 99.0 100.0) l (+ t (* (- 1.0) h))))))
(check-sat)
(get-model)
