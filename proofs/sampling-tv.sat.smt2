; twin of sampling-tv: 1 % less is false for a single token
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const q Real)
(declare-const w Real)
(assert (>= q 0.0))
(assert (<= q 1.0))
(assert (>= w 0.0))
(assert (<= w 1.0))
; the witness
(assert (= q (/ 1.0 200.0)))
(assert (= w 0.0))
; the conclusion, negated
(assert (not (>= (* (+ 1.0 (* (- 1.0) q)) (+ 1.0 (* (- 1.0) w))) (+ 1.0 (* (- (/ 99.0 100.0)) q) (* (- (/ 99.0 100.0)) w)))))
(check-sat)
(get-model)
