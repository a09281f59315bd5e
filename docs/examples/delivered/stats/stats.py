def median(values):
    if not values:
        raise ValueError("The list is empty")
    
    sorted_values = sorted(values)
    n = len(sorted_values)
    
    if n % 2 == 1:
        # Odd number of elements, return the middle element
        return sorted_values[n // 2]
    else:
        # Even number of elements, return the average of the two middle elements
        mid1 = sorted_values[n // 2 - 1]
        mid2 = sorted_values[n // 2]
        return (mid1 + mid2) / 2
