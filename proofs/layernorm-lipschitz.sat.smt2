; twin of layernorm-lipschitz: a cosine 1 % larger is false: the tangent from (1, 0), h = 3/5
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const d1 Real)
(declare-const d2 Real)
(declare-const h Real)
(assert (>= h 0.0))
(assert (< h 1.0))
(assert (<= (+ (* d1 d1) (* d2 d2)) (* h h)))
; the witness
(assert (= d1 (- (/ 9.0 25.0))))
(assert (= d2 (/ 12.0 25.0)))
(assert (= h (/ 3.0 5.0)))
; the conclusion, negated
(assert (not (<= (* (+ (/ 10201.0 10000.0) (* (- (/ 10201.0 10000.0)) (* h h))) (+ (* d2 d2) (* (+ 1.0 d1) (+ 1.0 d1)))) (* (+ 1.0 d1) (+ 1.0 d1)))))
(check-sat)
(get-model)
