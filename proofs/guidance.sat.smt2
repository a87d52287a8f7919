; twin of guidance: errors of opposite sign attain it
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const b Real)
(declare-const do Real)
(declare-const dt Real)
(declare-const zeta Real)
(assert (>= b 0.0))
(assert (<= dt zeta))
(assert (>= dt (* (- 1.0) zeta)))
(assert (<= do zeta))
(assert (>= do (* (- 1.0) zeta)))
; the witness
(assert (= b (/ 3.0 2.0)))
(assert (= do (- 1.0)))
(assert (= dt 1.0))
(assert (= zeta 1.0))
; the conclusion, negated
(assert (not (<= (+ (* dt (+ 1.0 b)) (* (- 1.0) b do)) (* zeta (+ (/ 99.0 100.0) (* (/ 99.0 50.0) b))))))
(check-sat)
(get-model)
