; twin of loop-cubic-slope: 1 % less is false at u = t = 1/2
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
; the witness
(assert (= s 0.0))
(assert (= t (/ 1.0 2.0)))
(assert (= u (/ 1.0 2.0)))
; the conclusion, negated
(assert (not (<= (+ 1.0 (* (- 1.0) (* u u))) (* (/ 99.0 100.0) (ite (>= (+ 1.0 (* (- 1.0) (* t t))) (+ (- 1.0) (* (+ 1.0 s) (+ 1.0 s)))) (+ 1.0 (* (- 1.0) (* t t))) (+ (- 1.0) (* (+ 1.0 s) (+ 1.0 s))))))))
(check-sat)
(get-model)
