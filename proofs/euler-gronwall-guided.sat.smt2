; twin of euler-gronwall-guided: 1 % less is false: errors of opposite sign
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const eps Real)
(declare-const g Real)
(declare-const v Real)
(declare-const w Real)
(assert (>= g 1.0))
(assert (>= eps 0.0))
(assert (<= v eps))
(assert (>= v (* (- 1.0) eps)))
(assert (<= w eps))
(assert (>= w (* (- 1.0) eps)))
; the witness
(assert (= eps 1.0))
(assert (= g 2.0))
(assert (= v 1.0))
(assert (= w (- 1.0)))
; the conclusion, negated
(assert (not (<= (+ (* g v) (* (- 1.0) w (+ (- 1.0) g))) (* (/ 99.0 100.0) eps (+ (- 1.0) (* 2.0 g))))))
(check-sat)
(get-model)
