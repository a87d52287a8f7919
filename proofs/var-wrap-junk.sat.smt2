; twin of var-wrap-junk: 1 % more is false at the largest junk
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const M Real)
(declare-const P Real)
(declare-const l Real)
(declare-const x Real)
(assert (>= M 0.0))
(assert (>= l 0.0))
(assert (<= x (+ (* (- 1.0) P) (* (/ 1681.0 1024.0) M))))
(assert (>= P (+ l (* (/ 2705.0 1024.0) M))))
; the witness
(assert (= M 1.0))
(assert (= P (/ 3729.0 1024.0)))
(assert (= l 1.0))
(assert (= x (- 2.0)))
; the conclusion, negated
(assert (not (<= x (+ (* (- (/ 101.0 100.0)) M) (* (- (/ 101.0 100.0)) l)))))
(check-sat)
(get-model)
