; twin of ensemble-sites-nu: attained by delta = -c0/2
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const a Real)
(declare-const al Real)
(declare-const be Real)
(declare-const s Real)
(assert (> s 0.0))
(assert (= (* (* s s) (+ 1.0 be (* 2.0 al))) 1.0))
(assert (>= be (* al al)))
(assert (<= al a))
(assert (>= al (* (- 1.0) a)))
(assert (< a 1.0))
; the witness
(assert (= a (/ 1.0 2.0)))
(assert (= al (- (/ 1.0 2.0))))
(assert (= be (/ 1.0 4.0)))
(assert (= s 2.0))
; the conclusion, negated
(assert (not (<= (* (+ 1.0 (* (- 1.0) a)) (+ (- 1.0) s)) (* (/ 99.0 100.0) a))))
(check-sat)
(get-model)
