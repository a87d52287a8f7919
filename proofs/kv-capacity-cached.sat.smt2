; twin of kv-capacity-cached: 1 % less of the last scale is false
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const S Real)
(declare-const alpha Real)
(declare-const n Real)
(assert (>= alpha 2.0))
(assert (>= n 1.0))
(assert (= (* S (+ (- 1.0) (* alpha alpha))) (+ (- 1.0) (* n n))))
; the witness
(assert (= S 1.0))
(assert (= alpha 2.0))
(assert (= n 2.0))
; the conclusion, negated
(assert (not (= (* (+ (- 1.0) (* alpha alpha)) (+ S (* (/ 99.0 100.0) (* n n)))) (+ (- 1.0) (* (* alpha alpha) (* n n))))))
(check-sat)
(get-model)
