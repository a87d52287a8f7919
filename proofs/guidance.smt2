; guidance: (1+b) cond - b uncond: errors zeta grow to at most (1 + 2b) zeta
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const b Real)
(declare-const do Real)
(declare-const dt Real)
(declare-const zeta Real)
(assert (>= b 0.0))
(assert (<= dt zeta))
(assert (>= dt (* (- 1.0) zeta)))
(assert (<= do zeta))
(assert (>= do (* (- 1.0) zeta)))
; the conclusion, negated
(assert (not (<= (+ (* dt (+ 1.0 b)) (* (- 1.0) b do)) (* zeta (+ 1.0 (* 2.0 b))))))
(check-sat)
